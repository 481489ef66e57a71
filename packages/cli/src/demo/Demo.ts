/**
 * The demo: agents work on a plan, whose tasks succeed, are retried, or become dead
 * letters. At the end the totals must add up.
 *
 * @since 0.1.0
 */

import { EventBus } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { Output } from "../Output.ts"
import { CommandFailed } from "../Problem.ts"
import { Ledger } from "./Ledger.ts"
import * as Orchestrator from "./Orchestrator.ts"
import * as Screen from "./Screen.ts"
import * as Script from "./Script.ts"
import * as Stage from "./Stage.ts"
import * as Watchers from "./Watchers.ts"
import * as Worker from "./Worker.ts"

const workers = ["worker-1", "worker-2", "worker-3"]
const queues = Object.values(Stage.queues)

/** Removes the events of an interrupted run. Fails while another demo is running. */
const clear = Effect.fnUntraced(function* (bus: EventBus.EventBus["Service"]) {
  for (const queue of queues) {
    const info = yield* bus.queueInfo(queue)
    if (Option.isNone(info)) continue
    if (info.value.consumers > 0) {
      return yield* new CommandFailed({ message: `Another demo is running on this broker: "${queue}" has a consumer` })
    }
    yield* bus.purge(queue)
  }
})

const eventsLeft = (bus: EventBus.EventBus["Service"]) =>
  Effect.map(Effect.forEach(queues, bus.queueInfo), (infos) =>
    infos.reduce((sum, info) => sum + Option.match(info, { onNone: () => 0, onSome: ({ messages }) => messages }), 0)
  )

const introduction = (where: string, { paint }: Output["Service"]): string =>
  [
    `  ${paint("bold", "effect-eventbus")} ${where}`,
    "",
    `  An orchestrator follows a plan of ${Script.steps.length} steps and ${Script.tasks.length} tasks. ${workers.length} workers do them.`,
    "  Some tasks fail and are retried. Tasks that still fail become dead letters,",
    "  which a monitor shows.",
    ""
  ].join("\n")

const play = Effect.fnUntraced(function* (bus: EventBus.EventBus["Service"], stage: Stage.Stage) {
  yield* bus.subscribe(Watchers.audit(stage))
  yield* bus.subscribe(Watchers.monitor(stage))
  yield* bus.subscribe(Watchers.clerk(stage))
  yield* Effect.forEach(workers, (worker) => bus.subscribe(Worker.make(stage, worker)))
  yield* Effect.acquireRelease(stage.screen.progress(true), () => stage.screen.progress(false))
  yield* Effect.timeoutOption(Orchestrator.followPlan(stage), "60 seconds")
  // The audit may lag behind, as any subscriber may.
  yield* Effect.suspend(() => (stage.ledger.isAudited ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))),
    Effect.ignore
  )
}, Effect.scoped)

/**
 * Runs the demo on the provided bus. `where` describes the broker.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (where: string) {
  const output = yield* Output
  const bus = yield* EventBus.EventBus
  yield* clear(bus)
  const ledger = new Ledger()
  const screen = yield* Screen.make(output, ledger)
  const stage: Stage.Stage = {
    traceId: crypto.randomUUID(),
    ledger,
    screen,
    publish: (event) => {
      ledger.enterPublished(event.eventId)
      const routingKey = Stage.routingKey(event.eventType, event.priority)
      return bus.publish(event, { routingKey, unroutable: "fail" })
    }
  }
  yield* screen.print(introduction(where, output))
  yield* Effect.raceFirst(play(bus, stage), screen.closed)
  const checks = ledger.checks(Script.tasks.length, Script.plannedRetries, yield* eventsLeft(bus))
  const isRight = checks.every(({ holds }) => holds)
  const verdict = `${isRight ? "Everything adds up" : "It does not add up"}, after ${(yield* screen.elapsed).toFixed(1)} s.`
  yield* output.line(Screen.summary(ledger, checks, output, output.paint(isRight ? "green" : "red", verdict)))
  if (!isRight) return yield* new CommandFailed({ message: "The totals of the demo do not add up" })
})
