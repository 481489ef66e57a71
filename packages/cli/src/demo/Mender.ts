/**
 * The operator of the demo, who mends a dead letter as `eventbus dlq edit` does.
 *
 * @since 0.1.0
 */

import { AgentEvents } from "@effect-eventbus/agents"
import type { EventBus } from "effect-eventbus/EventBus"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Script from "./Script.ts"
import * as Stage from "./Stage.ts"

/** A connection may be cut during an operation. */
const again = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

/**
 * Replays the invalid event with a payload that its schema accepts, and waits for its
 * task to end.
 *
 * @category running
 * @since 0.1.0
 */
export const mend = Effect.fnUntraced(function* (stage: Stage.Stage, bus: EventBus["Service"]) {
  const { ledger, screen } = stage
  const title = Script.tasks.find(({ id }) => id === Script.mended)?.title ?? ""
  const eventId = ledger.eventIdOf(Script.mended)
  if (eventId === undefined) return
  ledger.enterMended(eventId)
  yield* screen.show({
    who: "operator",
    what: "mended",
    style: "green",
    task: Script.mended,
    detail: "replayed, now with a task_id",
    more: `as by: eventbus dlq edit ${Stage.queues.tasks} ${eventId.slice(0, 8)}`
  })
  yield* Effect.retry(
    bus.deadLetters(Stage.queues.tasks).edit(eventId, { task_id: Script.mended, title }, AgentEvents.TaskSubmitted),
    again
  )
  yield* ledger.awaitEnds([eventId])
})

/**
 * Deletes the other dead letters, so that the queues of the demo are empty afterwards.
 *
 * @category running
 * @since 0.1.0
 */
export const discard = (bus: EventBus["Service"]) =>
  bus
    .deadLetters(Stage.queues.tasks)
    .discard({})
    .pipe(
      Effect.andThen(bus.queueInfo(Stage.queues.deadLetters)),
      Effect.filterOrFail(
        Option.exists(({ messages }) => messages === 0),
        () => "not yet"
      ),
      Effect.retry(again),
      Effect.ignore
    )
