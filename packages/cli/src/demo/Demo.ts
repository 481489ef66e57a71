/**
 * The demo: agents work on a plan, whose tasks succeed, are retried, or become dead
 * letters. At the end the totals must add up.
 *
 * @since 0.1.0
 */

import { EventBus } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { Output } from "../Output.ts"
import { CommandFailed } from "../Problem.ts"
import { Ledger } from "./Ledger.ts"
import * as Mender from "./Mender.ts"
import * as Orchestrator from "./Orchestrator.ts"
import * as PolicyText from "./PolicyText.ts"
import * as Screen from "./Screen.ts"
import * as Script from "./Script.ts"
import * as Stage from "./Stage.ts"
import * as Watchers from "./Watchers.ts"
import * as Worker from "./Worker.ts"

const workers = ["worker-1", "worker-2", "worker-3"] as const
const queues = Object.values(Stage.queues)

/** Removes the events of an interrupted run. Fails while another demo is running. */
const clear = Effect.fnUntraced(function* (bus: EventBus.EventBus["Service"]) {
  for (const queue of queues) {
    const info = yield* Effect.repeat(bus.queueInfo(queue), {
      // The broker may show the consumers of a run that has just ended.
      until: Option.match({ onNone: () => true, onSome: ({ consumers }) => consumers === 0 }),
      schedule: Schedule.spaced("100 millis"),
      times: 30
    })
    if (Option.isNone(info)) continue
    if (info.value.consumers > 0) {
      return yield* new CommandFailed({ message: `Another demo is running on this broker: "${queue}" has a consumer` })
    }
    yield* bus.purge(queue)
  }
})

/** A connection may be cut just now. */
const eventsLeft = (bus: EventBus.EventBus["Service"]) =>
  Effect.retry(
    Effect.forEach(queues, bus.queueInfo),
    Schedule.spaced("200 millis").pipe(Schedule.upTo({ times: 50 }))
  ).pipe(
    Effect.map((infos) =>
      infos.reduce((sum, info) => sum + Option.match(info, { onNone: () => 0, onSome: ({ messages }) => messages }), 0)
    )
  )

const introduction = (where: string, policy: ReadonlyArray<string>, { paint }: Output["Service"]): string =>
  [
    `  ${paint("bold", "effect-eventbus")} ${where}`,
    "",
    `  An orchestrator follows a plan of ${Script.steps.length} steps and ${Script.tasks.length} tasks. ${workers.length} workers do them.`,
    "  Some tasks fail and are retried. Tasks that still fail become dead letters,",
    "  which a monitor shows. At the end an operator mends one of them.",
    "",
    `  ${paint("bold", "The policy of the workers")}`,
    ...policy,
    ""
  ].join("\n")

/** A cut may leave a second copy of an event, which waits for a retry. A worker that gets one says so. */
const silence = Effect.fnUntraced(function* ({ ledger }: Stage.Stage) {
  let before: number
  do {
    before = ledger.events
    yield* Effect.sleep("2 seconds")
  } while (before !== ledger.events)
})

const play = Effect.fnUntraced(function* (bus: EventBus.EventBus["Service"], stage: Stage.Stage, chaos: Chaos) {
  yield* bus.subscribe(Watchers.audit(stage))
  yield* bus.subscribe(Watchers.clerk(stage))
  yield* Effect.forEach(workers, (worker) => bus.subscribe(Worker.make(stage, worker)))
  const monitor = yield* Effect.forkScoped(Watchers.monitor(stage, bus))
  yield* Effect.acquireRelease(stage.screen.progress(true), () => stage.screen.progress(false))
  const disturbance = yield* Effect.forkScoped(chaos(stage))
  const followed = Orchestrator.followPlan(stage).pipe(
    // The monitor would hold the dead letters that are to be mended and discarded, and a cut would leave them half mended.
    Effect.andThen(Fiber.interruptAll([monitor, disturbance])),
    Effect.andThen(Mender.mend(stage, bus))
  )
  yield* Effect.timeoutOption(followed, "2 minutes")
  if (stage.isChaotic) yield* Effect.timeoutOption(silence(stage), "30 seconds")
  yield* Mender.discard(bus)
  // The audit may lag behind, as any subscriber may.
  yield* Effect.suspend(() => (stage.ledger.isAudited ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))),
    Effect.ignore
  )
}, Effect.scoped)

/**
 * A disturbance of the demo while it runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chaos {
  (stage: Stage.Stage): Effect.Effect<void>
}

/**
 * Runs the demo on the provided bus. `where` describes
 * the broker, and `chaos` disturbs it.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (where: string, traceId: string, chaos?: Chaos | undefined) {
  const output = yield* Output
  const bus = yield* EventBus.EventBus
  yield* clear(bus)
  const policy = yield* PolicyText.make(Worker.policy, output)
  const ledger = new Ledger()
  const screen = yield* Screen.make(output, ledger)
  const stage: Stage.Stage = {
    traceId,
    ledger,
    screen,
    isChaotic: chaos !== undefined,
    publish: (event) => {
      ledger.enterPublished(event.eventId)
      const routingKey = Stage.routingKey(event.eventType, event.priority)
      return bus.publish(event, { routingKey, unroutable: "fail" })
    }
  }
  yield* screen.print(introduction(where, policy, output))
  yield* Effect.raceFirst(play(bus, stage, chaos ?? (() => Effect.void)), screen.closed)
  const left = yield* eventsLeft(bus)
  const checks = ledger.checks(Script.tasks.length, Script.plannedRetries, left, stage.isChaotic)
  const isRight = checks.every(({ holds }) => holds)
  const verdict = `${isRight ? "Everything adds up" : "It does not add up"}, after ${(yield* screen.elapsed).toFixed(1)} s.`
  yield* output.line(Screen.summary(ledger, checks, output, output.paint(isRight ? "green" : "red", verdict)))
  if (!isRight) return yield* new CommandFailed({ message: "The totals of the demo do not add up" })
})
