/**
 * Flags and arguments that select dead letters, shared by the `eventbus dlq` commands.
 *
 * @since 0.1.0
 */

import type { Broker } from "effect-eventbus/Broker"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { DeadLetterFilter } from "effect-eventbus/DeadLetterFilter"
import type { DeadLetters, Scan } from "effect-eventbus/DeadLetters"
import type { EventBus } from "effect-eventbus/EventBus"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Argument from "effect/cli/Argument"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { ConfigError } from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Connection from "../../Connection.ts"
import * as lazyImports from "../../lazyImports.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed, noQueue, UsageError } from "../../Problem.ts"

/**
 * The argument for the queue.
 *
 * @category arguments
 * @since 0.1.0
 */
export const queue = Argument.String("queue").pipe(
  Argument.withDescription("The queue that the dead letters come from"),
  Argument.filter(
    (name) => name !== "",
    () => "it is empty"
  )
)

/**
 * The argument for one dead letter.
 *
 * @category arguments
 * @since 0.1.0
 */
export const id = Argument.String("id").pipe(Argument.withDescription("Its id, or the beginning of it"))

const ids = Argument.String("id").pipe(
  Argument.withDescription("Ids, or their beginnings [all that match]"),
  Argument.variadic()
)

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar(metavar),
    // An unset variable of the shell must not select all dead letters.
    Flag.filter(
      (text) => text !== "",
      () => "it is empty"
    )
  )

/** The broker easily keeps so many unacknowledged messages. */
const defaultHold = 10_000

/**
 * The flags that filter dead letters. A dead letter has to match all of them.
 *
 * @category flags
 * @since 0.1.0
 */
export const filters = {
  type: Flag.optional(text("type", "TYPE", "Only this event type")),
  reason: Flag.optional(text("reason", "TAG", "Only failures with this error")),
  fingerprint: text("fingerprint", "HEX", "Only this group").pipe(Flag.withAlias("group"), Flag.optional),
  key: Flag.optional(text("key", "KEY", "Only this key of an ordered queue")),
  olderThan: Flag.optional(Parameters.duration("older-than", "Last failed at least this long ago: 15m, 2h, 7d")),
  newerThan: Flag.optional(Parameters.duration("newer-than", "Last failed less than this ago")),
  text: Flag.optional(text("text", "TEXT", "Only with this text in the body or message")),
  hold: Flag.withDefault(Parameters.count("Hold at most N while scanning [10000]", "hold"), defaultHold)
}

/**
 * The flags and arguments for a queue, and dead letters by filter or id.
 *
 * @category flags
 * @since 0.1.0
 */
export const some = {
  queue,
  ids,
  ...filters,
  limit: Flag.optional(Parameters.count("At most N, the oldest first", "limit"))
}

/**
 * Returns the filter that the flags describe.
 *
 * @category filtering
 * @since 0.1.0
 */
export const filterOf = (input: Command.Command.Config.Infer<typeof filters>): DeadLetterFilter => ({
  type: Option.getOrUndefined(input.type),
  reason: Option.getOrUndefined(input.reason),
  fingerprint: Option.getOrUndefined(input.fingerprint),
  key: Option.getOrUndefined(input.key),
  olderThan: Option.getOrUndefined(input.olderThan),
  newerThan: Option.getOrUndefined(input.newerThan),
  text: Option.getOrUndefined(input.text)
})

/**
 * Uses the dead letters of a queue on RabbitMQ.
 *
 * @category running
 * @since 0.1.0
 */
export const withDeadLetters = <E, R>(
  { hold, queue }: { readonly queue: string; readonly hold?: number | undefined },
  use: (deadLetters: DeadLetters) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | BrokerError | ConfigError | CommandFailed, Exclude<R, EventBus | Broker>> =>
  Effect.gen(function* () {
    const { EventBus } = yield* lazyImports.eventbus
    const bus = yield* EventBus.EventBus
    const name = QueueSpec.deadLetterQueueOf(queue)
    const isMissing = (error: unknown) =>
      Predicate.isTagged(error, "BrokerError") &&
      Predicate.hasProperty(error, "reason") &&
      Predicate.isTagged(error.reason, "NotFound") &&
      Predicate.hasProperty(error.reason, "name") &&
      error.reason.name === name
    const hint = QueueSpec.isDeadLetterQueue(queue) ? ": use the name of the original queue" : ""
    yield* use(bus.deadLetters(queue, { maxHeld: hold })).pipe(Effect.catchIf(isMissing, () => noQueue(name, hint)))
  }).pipe(Effect.provide(Connection.layerAmqp))

/** Returns the one of these whose id begins with a text, the first where the same event is several dead letters. */
const theOne = <A extends { readonly id: string }>(
  { letters, looked, waiting }: Scan & { readonly letters: ReadonlyArray<A> },
  queue: string,
  idPrefix: string
): Effect.Effect<A, CommandFailed | UsageError> =>
  Effect.gen(function* () {
    if (idPrefix === "") return yield* new UsageError({ message: "The id is empty" })
    const found = letters.filter(({ id }) => id.startsWith(idPrefix))
    const deadLetter = found.find(({ id }) => id === idPrefix) ?? found[0]
    if (deadLetter === undefined) {
      const scanned = looked === waiting ? `the ${waiting}` : `the first ${looked} of ${waiting}`
      return yield* new CommandFailed({
        message: `No id of ${scanned} dead letters of "${queue}" begins with "${idPrefix}"`
      })
    }
    const isOne = deadLetter.id === idPrefix || found.every(({ id }) => id === deadLetter.id)
    if (isOne) return deadLetter
    return yield* new UsageError({ message: `Several ids begin with "${idPrefix}": use a longer beginning` })
  })

/**
 * Finds the dead letter whose id begins with a text. Where the same event is several
 * dead letters, it returns the first.
 *
 * @category filtering
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function* (
  deadLetters: DeadLetters,
  queue: string,
  idPrefix: string
): Effect.fn.Return<DeadLetter, BrokerError | CommandFailed | UsageError> {
  if (idPrefix === "") return yield* new UsageError({ message: "The id is empty" })
  const peeked = yield* deadLetters.peek({ idPrefix, limit: 100 })
  return yield* theOne(peeked, queue, idPrefix)
})

/**
 * Completes the beginnings of ids, by one look for all of them. Returns `undefined` where
 * there are none.
 *
 * @category filtering
 * @since 0.1.0
 */
export const idsOf = Effect.fnUntraced(function* (
  deadLetters: DeadLetters,
  queue: string,
  beginnings: ReadonlyArray<string>
) {
  if (beginnings.length === 0) return undefined
  // Complete ids need not be searched.
  if (beginnings.every(Parameters.isUuid)) return beginnings
  const snapshot = yield* deadLetters.snapshot({ maxBytes: 0 })
  return yield* Effect.forEach(beginnings, (text) =>
    Parameters.isUuid(text) ? Effect.succeed(text) : Effect.map(theOne(snapshot, queue, text), ({ id }) => id)
  )
})
