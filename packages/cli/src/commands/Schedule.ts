/**
 * `eventbus schedule`: lists and cancels scheduled events.
 *
 * @since 0.1.0
 */

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Database from "../Database.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, pad, plain } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"

const listFlags = {
  ...Database.flags,
  limit: Flag.Int("limit").pipe(Flag.withDescription("The number of events to show [100]"), Flag.withDefault(100)),
  json: Parameters.json("Print each event as a line of JSON")
}

const list = Effect.fnUntraced(function* ({ json, limit }: Command.Command.Config.Infer<typeof listFlags>) {
  const output = yield* Output
  const { Scheduler } = yield* lazyImports.sql
  const events = yield* Scheduler.list({ limit })
  if (json) {
    return yield* Effect.forEach(
      events,
      ({ due, eventType, id, key }) =>
        output.json({ event: id, type: eventType, key: key ?? null, due: due.toISOString() }),
      { discard: true }
    )
  }
  const width = Math.max(0, ...events.map(({ eventType }) => plain(eventType).length))
  const lines = events.map(
    ({ due, eventType, id }) =>
      `${output.paint("dim", due.toISOString())}  ${pad(plain(eventType), width)}  ${plain(id)}`
  )
  if (lines.length > 0) yield* output.line(lines.join("\n"))
  yield* output.note(events.length === 1 ? "1 event is scheduled" : `${events.length} events are scheduled`)
}, Database.provide)

const cancelFlags = {
  ...Database.flags,
  event: Argument.String("event").pipe(Argument.withDescription("The id of the event")),
  json: Parameters.json("Print the result as a line of JSON")
}

const cancel = Effect.fnUntraced(function* ({ event, json }: Command.Command.Config.Infer<typeof cancelFlags>) {
  const output = yield* Output
  const { Scheduler } = yield* lazyImports.sql
  const result = yield* Scheduler.cancel(event)
  if (json) return yield* output.json({ event, result })
  if (result === "TooLate") {
    return yield* new CommandFailed({ message: `The event ${event} is not scheduled: it was published or cancelled` })
  }
  yield* output.line(`${output.paint("green", "cancelled")}  ${plain(event)}`)
}, Database.provide)

/**
 * @category commands
 * @since 0.1.0
 */
export const schedule = Command.make("schedule").pipe(
  Command.withDescription("List and cancel scheduled events"),
  Command.withSubcommands([
    Command.make("list", listFlags, list).pipe(
      Command.withDescription("Show scheduled events, the next first"),
      Command.withExamples([{ command: "eventbus schedule list --database postgres://localhost/shop" }])
    ),
    Command.make("cancel", cancelFlags, cancel).pipe(
      Command.withDescription("Cancel a scheduled event. It fails when it is too late"),
      Command.withExamples([{ command: "eventbus schedule cancel 01998e1c --database shop.db" }])
    )
  ])
)
