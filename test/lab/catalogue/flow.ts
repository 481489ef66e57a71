import { Effect } from "effect"
import { eventually } from "../../support/eventually.ts"
import type { InjectedFault, Lab } from "../experiments/InjectedFault.ts"
import * as HandlerScript from "../workload/HandlerScript.ts"
import type { WorkloadShape } from "../workload/WorkloadShape.ts"

/** Subscriptions that hold more deliveries than they handle, so that a pause has some to give back. */
const shape = { concurrency: 5, prefetch: 20, handling: 20 }

/** Handlers that still run when the consumer of a paused subscription could already be closed. */
const slow = { ...shape, publishers: 8, pause: 60, concurrency: 40, prefetch: 80, handling: 600 }

const pauseAll = ({ bus }: Lab) =>
  Effect.flatMap(bus.subscriptions, (all) =>
    Effect.forEach(all, ({ pause }) => pause(), { concurrency: "unbounded", discard: true })
  )

const resumeAll = ({ bus }: Lab) =>
  Effect.flatMap(bus.subscriptions, (all) =>
    Effect.forEach(all, ({ resume }) => resume, { concurrency: "unbounded", discard: true })
  )

/** Pauses and resumes all subscriptions again and again, and runs an effect in each pause. */
const again = (lab: Lab, times: number, meanwhile: Effect.Effect<unknown>) =>
  Effect.forEach(
    Array.from({ length: times }),
    () =>
      Effect.gen(function* () {
        yield* pauseAll(lab)
        yield* meanwhile
        yield* Effect.sleep(lab.random.int(50, 300))
        yield* resumeAll(lab)
        yield* Effect.sleep(lab.random.int(50, 300))
      }),
    { discard: true }
  )

/** Runs an effect while the dependency of the handlers is down, until all subscriptions have paused. */
const whileDown = ({ bus }: Lab, meanwhile: Effect.Effect<unknown>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => (HandlerScript.dependency.isDown = true)),
    () =>
      Effect.gen(function* () {
        const states = Effect.flatMap(bus.subscriptions, (all) => Effect.forEach(all, ({ state }) => state))
        yield* eventually(
          "every subscription pauses",
          Effect.map(states, (states) => states.every(({ _tag }) => _tag !== "Running")),
          { atMost: "10 seconds" }
        )
        yield* meanwhile
        yield* Effect.sleep("3 seconds")
      }),
    () => Effect.sync(() => (HandlerScript.dependency.isDown = false))
  )

const cut = ({ tcp }: Lab) =>
  Effect.andThen(
    Effect.sync(() => tcp.cut()),
    Effect.sleep(200)
  )

/** Batches, of which some have an event that fails all of them. */
export const batches = {
  ...shape,
  batch: 10,
  concurrency: 20,
  prefetch: 40,
  scripts: { flaky: 8, doomed: 3, poison: 1 }
} satisfies Partial<WorkloadShape>

/** Subscriptions that pause, by hand and because of their handlers. */
export const flow: ReadonlyArray<InjectedFault> = [
  { name: "batches", shape: batches, allow: { disruptions: 0 }, inject: () => Effect.sleep("2 seconds") },
  {
    name: "batches-rst",
    shape: batches,
    allow: { disruptions: 4 },
    inject: (lab) =>
      Effect.forEach([1, 2, 3, 4], () => Effect.andThen(cut(lab), Effect.sleep(lab.random.int(200, 600))), {
        discard: true
      })
  },
  { name: "pause-resume", shape: slow, allow: { disruptions: 0 }, inject: (lab) => again(lab, 12, Effect.void) },
  { name: "pause-rst", shape, allow: { disruptions: 12 }, inject: (lab) => again(lab, 6, cut(lab)) },
  {
    name: "dependency-down",
    shape: { ...shape, scripts: { depends: 50, flaky: 8, doomed: 3 } },
    allow: { disruptions: 0 },
    inject: (lab) => whileDown(lab, Effect.void)
  },
  {
    // A paused subscription holds no delivery for which the broker would wait too long.
    name: "dependency-down-ack-timeout",
    shape: { ...shape, scripts: { depends: 50, flaky: 8, doomed: 3 } },
    allow: { disruptions: 1 },
    inject: (lab) =>
      Effect.gen(function* () {
        const ackTimeout = (millis: number) =>
          lab.ctl("eval", `application:set_env(rabbit, consumer_timeout, ${millis}).`)
        yield* Effect.acquireRelease(ackTimeout(5000), () => ackTimeout(1_800_000))
        // Channels read the timeout when they are opened.
        yield* cut(lab)
        yield* whileDown(lab, Effect.sleep("9 seconds"))
      })
  },
  {
    name: "dependency-down-rst",
    shape: { ...shape, scripts: { depends: 50, flaky: 8, doomed: 3 } },
    allow: { disruptions: 2 },
    inject: (lab) => whileDown(lab, cut(lab))
  }
]
