/**
 * `eventbus outbox`: shows what waits and what is parked, and puts it back.
 *
 * @since 0.1.0
 */

import type { Filter } from "@effect-eventbus/sql/ParkedEvents"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Confirmation from "../Confirmation.ts"
import * as Database from "../Database.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, pad, plain } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { UsageError } from "../Problem.ts"

const statusFlags = { ...Database.flags, json: Parameters.json("Print the state as a line of JSON") }

const status = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof statusFlags>) {
  const output = yield* Output
  const { Outbox } = yield* lazyImports.sql
  const outbox = yield* Effect.scoped(Outbox.make())
  const { oldest, parked, waiting } = yield* outbox.stats
  if (input.json) {
    const seconds = Option.getOrNull(Option.map(oldest, Duration.toSeconds))
    return yield* output.json({ waiting, oldest_seconds: seconds, parked })
  }
  const age = Option.match(oldest, { onNone: () => "", onSome: (age) => `  the oldest for ${Duration.format(age)}` })
  yield* output.line(`waiting  ${waiting}${age}\nparked   ${parked}`)
}, Database.provide)

const listFlags = {
  ...Database.flags,
  limit: Flag.Int("limit").pipe(Flag.withDescription("The number of events to show [100]"), Flag.withDefault(100)),
  json: Parameters.json("Print each event as a line of JSON")
}

const parked = Effect.fnUntraced(function* ({ json, limit }: Command.Command.Config.Infer<typeof listFlags>) {
  const output = yield* Output
  const { ParkedEvents } = yield* lazyImports.sql
  const events = yield* ParkedEvents.list({ limit })
  if (json) {
    return yield* Effect.forEach(
      events,
      ({ bytes, eventId, eventType, key, parkedAt, reason }) =>
        output.json({
          event: eventId,
          type: eventType,
          key: key ?? null,
          bytes,
          parked_at: parkedAt.toISOString(),
          reason
        }),
      { discard: true }
    )
  }
  const width = Math.max(0, ...events.map(({ eventType }) => plain(eventType).length))
  const lines = events.map(
    ({ eventId, eventType, parkedAt, reason }) =>
      `${output.paint("dim", parkedAt.toISOString())}  ${pad(plain(eventType), width)}  ${plain(eventId)}  ${plain(reason)}`
  )
  if (lines.length > 0) yield* output.line(lines.join("\n"))
  yield* output.note(events.length === 1 ? "1 event is parked" : `${events.length} events are parked`)
}, Database.provide)

const chosenFlags = {
  ...Database.flags,
  event: Flag.String("event").pipe(Flag.withDescription("The event with this id"), Flag.optional),
  key: Flag.String("key").pipe(Flag.withDescription("The events of this key"), Flag.optional),
  all: Flag.Boolean("all").pipe(Flag.withDescription("All parked events"), Flag.withDefault(false)),
  json: Parameters.json("Print the result as a line of JSON")
}

type Chosen = Command.Command.Config.Infer<typeof chosenFlags>

/** Nothing is changed for a choice that was forgotten. */
const filterOf = ({ all, event, key }: Chosen): Effect.Effect<Filter, UsageError> =>
  all === (Option.isSome(event) || Option.isSome(key))
    ? Effect.fail(new UsageError({ message: "Choose the events: --event ID, --key KEY, or --all" }))
    : Effect.succeed({ eventId: Option.getOrUndefined(event), key: Option.getOrUndefined(key) })

const events = (count: number) => (count === 1 ? "1 event" : `${count} events`)

const requeue = Effect.fnUntraced(function* (input: Chosen) {
  const output = yield* Output
  const { ParkedEvents } = yield* lazyImports.sql
  const requeued = yield* ParkedEvents.requeue(yield* filterOf(input))
  if (input.json) return yield* output.json({ requeued })
  yield* output.line(`${output.paint("green", "requeued")}  ${events(requeued)}`)
}, Database.provide)

const discardFlags = { ...chosenFlags, yes: Confirmation.yes }

const discard = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof discardFlags>) {
  const output = yield* Output
  const { ParkedEvents } = yield* lazyImports.sql
  const filter = yield* filterOf(input)
  yield* Confirmation.require(input.yes)
  if (!input.yes && !(yield* Confirmation.ask("Permanently delete the parked events?"))) {
    return yield* output.note("Nothing was deleted")
  }
  const discarded = yield* ParkedEvents.discard(filter)
  if (input.json) return yield* output.json({ discarded })
  yield* output.line(`${output.paint("green", "discarded")}  ${events(discarded)}`)
}, Database.provide)

/**
 * @category commands
 * @since 0.1.0
 */
export const outbox = Command.make("outbox").pipe(
  Command.withDescription("Show an outbox, and requeue or discard what is parked"),
  Command.withSubcommands([
    Command.make("status", statusFlags, status).pipe(
      Command.withDescription("Show how many events wait and are parked, and the age of the oldest"),
      Command.withExamples([{ command: "eventbus outbox status --database postgres://localhost/shop" }])
    ),
    Command.make("parked", listFlags, parked).pipe(
      Command.withDescription("Show the events that the broker refused for good, and why"),
      Command.withExamples([{ command: "eventbus outbox parked --database shop.db" }])
    ),
    Command.make("requeue", chosenFlags, requeue).pipe(
      Command.withDescription(
        "Put parked events back into the outbox. An event with a key takes all events of\n  that key along, so that their order stays."
      ),
      Command.withShortDescription("Put parked events back into the outbox"),
      Command.withExamples([{ command: "eventbus outbox requeue --key o-1 --database shop.db" }])
    ),
    Command.make("discard", discardFlags, discard).pipe(
      Command.withDescription("Permanently delete parked events"),
      Command.withExamples([{ command: "eventbus outbox discard --all --yes --database shop.db" }])
    )
  ])
)
