import {
  DeadLetter,
  EventBus,
  EventCodec,
  FailurePolicy,
  Fault,
  Handler,
  QueueSpec,
  Subscription
} from "effect-eventbus"
import type { DeadLetters, Event } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { eventually } from "./Patience.ts"
import { messages, record } from "./Recorder.ts"
import { Flaky, TaskDone } from "./TestEvents.ts"

export class Broken extends Schema.TaggedError<Broken>()("Broken", { n: Schema.Int }) {
  override get message() {
    return `broken at ${this.n}`
  }
}

export const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)

export const payloadsOf = (letters: ReadonlyArray<DeadLetter.DeadLetter>) =>
  letters.map(({ envelope }) => JSON.parse(new TextDecoder().decode(envelope.body)).payload.n)

/** Makes a dead letter, as an export has it. */
export const deadLetterOf = (event: Event.Event): DeadLetter.DeadLetter =>
  DeadLetter.fromEnvelope({
    ...Result.getOrThrow(
      EventCodec.toEnvelope(event, { routingKey: "task.done.normal", persistent: true, traceparent: undefined })
    ),
    fault: Fault.make({ reason: "Flaky", message: "failed", attempts: 1, now: 1000 })
  })

/** Makes a dead letter of each number, in that order. Afterwards the queue has no consumer. */
export const makeDeadLetters = Effect.fnUntraced(function* (
  queue: string,
  ns: ReadonlyArray<number>,
  fail: (n: number) => Effect.Effect<never, Flaky | Broken> = (n) => Effect.fail(new Flaky({ n })),
  options?: Parameters<(typeof TaskDone)["event"]>[1]
): Effect.fn.Return<DeadLetters.DeadLetters, unknown, EventBus.EventBus> {
  const bus = yield* EventBus.EventBus
  const before = Math.max(0, yield* messages(QueueSpec.deadLetterQueueOf(queue)))
  yield* Effect.scoped(
    Effect.gen(function* () {
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 1 }), ({ payload: { n } }) =>
          fail(n)
        ).pipe(
          Handler.onFailure(FailurePolicy.tags({ Flaky: FailurePolicy.deadLetter, Broken: FailurePolicy.deadLetter }))
        )
      )
      yield* bus.publishAll(yield* Effect.forEach(ns, (n) => TaskDone.event({ n }, options)))
      yield* eventually(messages(QueueSpec.deadLetterQueueOf(queue)), (n) => n === before + ns.length)
    })
  )
  return bus.deadLetters(queue)
})

/** Handles the events of a queue, and records them. */
export const handle = (queue: string) => record(Subscription.make(queue, { events: [TaskDone], concurrency: 10 }))

export const countsOf = ({ done, failed, skipped, waiting }: DeadLetters.ReplayResult) => ({
  waiting,
  done,
  skipped,
  failed
})
