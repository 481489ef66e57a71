import { Effect } from "effect"
import type { RequestFault } from "../experiments/RequestExperiment.ts"

const again = (times: number, pause: number, disturb: Effect.Effect<void, unknown>) =>
  Effect.repeat(Effect.andThen(disturb, Effect.sleep(pause)), { times: times - 1 })

/** Faults of requests and replies. Their calls wait for 30 seconds where nothing else is said, so each gets its answer. */
export const requests: ReadonlyArray<RequestFault> = [
  {
    name: "requests-rst-requester",
    shape: {},
    mayTimeOut: false,
    inject: ({ requester }) =>
      again(
        3,
        400,
        Effect.sync(() => requester.cut())
      )
  },
  {
    name: "requests-rst-responder",
    shape: {},
    mayTimeOut: false,
    inject: ({ responder }) =>
      again(
        3,
        400,
        Effect.sync(() => responder.cut())
      )
  },
  {
    // What the vanished responder holds, the other one answers.
    name: "requests-kill-responder",
    shape: { calls: 6000 },
    mayTimeOut: false,
    inject: ({ replaceResponder }) => again(6, 150, replaceResponder)
  },
  {
    // The timeout counts from the call, so it holds where nothing can be sent.
    name: "requests-hole",
    shape: { calls: 600, timeout: [200, 1500] },
    mayTimeOut: true,
    inject: ({ requester }) =>
      Effect.gen(function* () {
        requester.blackHole()
        yield* Effect.sleep("4 seconds")
        yield* Effect.promise(() => requester.heal())
      })
  },
  {
    name: "requests-storm",
    // More calls than the responders have hands for, so that some wait for them until their time is over.
    shape: { calls: 10_000, concurrency: 320, timeout: [5, 1500], handling: 100 },
    mayTimeOut: true,
    inject: ({ isOver, random, replaceResponder, requester, responder }) =>
      Effect.gen(function* () {
        while (!isOver()) {
          yield* random.pick<Effect.Effect<void, unknown>>([
            Effect.sync(() => requester.cut()),
            Effect.sync(() => responder.cut()),
            replaceResponder
          ])
          yield* Effect.sleep(random.int(100, 1500))
        }
      })
  }
]
