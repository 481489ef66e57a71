/**
 * Whose dead letters, and which of them: what the `eventbus dlq` commands share.
 *
 * @since 0.1.0
 */

import type { Broker } from "effect-eventbus/Broker"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { DeadLetterFilter } from "effect-eventbus/DeadLetterFilter"
import type { DeadLetters } from "effect-eventbus/DeadLetters"
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
import * as Modules from "../../Modules.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed, UsageError } from "../../Problem.ts"

/**
 * The queue whose dead letters they are.
 *
 * @category arguments
 * @since 0.1.0
 */
export const queue = Argument.String("queue").pipe(
  Argument.withDescription("The queue whose dead letters they are"),
  Argument.filter(
    (name) => name !== "",
    () => "a queue has a name that is not empty"
  )
)

/**
 * The id of one letter.
 *
 * @category arguments
 * @since 0.1.0
 */
export const id = Argument.String("id").pipe(Argument.withDescription("Its id, or what it begins with"))

const ids = Argument.String("id").pipe(
  Argument.withDescription("Their ids, or what they begin with [all that match]"),
  Argument.variadic()
)

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar(metavar),
    // A variable of the shell that is not set must not mean all letters.
    Flag.filter(
      (text) => text !== "",
      () => "it is empty"
    )
  )

/** What the broker can be asked to remember without a thought. */
const mostHeld = 10_000

/**
 * The flags that say which letters are meant. All that is said must hold.
 *
 * @category flags
 * @since 0.1.0
 */
export const filters = {
  type: Flag.optional(text("type", "TYPE", "Only events of that type")),
  reason: Flag.optional(text("reason", "TAG", "Only what failed with that error")),
  fingerprint: text("fingerprint", "HEX", "Only that group of letters").pipe(Flag.withAlias("group"), Flag.optional),
  olderThan: Flag.optional(Parameters.duration("older-than", "Last failed longer ago, such as 15m, 2h, 7d")),
  newerThan: Flag.optional(Parameters.duration("newer-than", "Last failed within that time")),
  text: Flag.optional(text("text", "TEXT", "Somewhere in the body or the message")),
  hold: Flag.withDefault(Parameters.count("Hold back at most so many while it looks [10000]", "hold"), mostHeld)
}

/**
 * The flags and arguments that name a queue, and letters by filter or by id.
 *
 * @category flags
 * @since 0.1.0
 */
export const some = {
  queue,
  ids,
  ...filters,
  limit: Flag.optional(Parameters.count("At most so many, the oldest first", "limit"))
}

/**
 * What the filters select.
 *
 * @category filtering
 * @since 0.1.0
 */
export const selectionOf = (input: Command.Command.Config.Infer<typeof filters>): DeadLetterFilter => ({
  type: Option.getOrUndefined(input.type),
  reason: Option.getOrUndefined(input.reason),
  fingerprint: Option.getOrUndefined(input.fingerprint),
  olderThan: Option.getOrUndefined(input.olderThan),
  newerThan: Option.getOrUndefined(input.newerThan),
  text: Option.getOrUndefined(input.text)
})

/**
 * Does something with the dead letters of a queue on RabbitMQ.
 *
 * @category running
 * @since 0.1.0
 */
export const withLetters = <E, R>(
  { hold, queue }: { readonly queue: string; readonly hold?: number | undefined },
  use: (letters: DeadLetters) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | BrokerError | ConfigError | CommandFailed, Exclude<R, EventBus | Broker>> =>
  Effect.gen(function* () {
    const { EventBus } = yield* Modules.eventbus
    const bus = yield* EventBus.EventBus
    const name = QueueSpec.deadLetterQueueOf(queue)
    const isMissing = (error: unknown) =>
      Predicate.isTagged(error, "BrokerError") &&
      Predicate.hasProperty(error, "reason") &&
      Predicate.isTagged(error.reason, "NotFound") &&
      Predicate.hasProperty(error.reason, "name") &&
      error.reason.name === name
    const hint = QueueSpec.isDeadLetterQueue(queue) ? ": name the queue, not its dead letters" : ""
    yield* use(bus.deadLetters(queue, { maxHeld: hold })).pipe(
      Effect.catchIf(isMissing, () => new CommandFailed({ message: `There is no queue "${name}"${hint}` }))
    )
  }).pipe(Effect.provide(Connection.layerAmqp))

/**
 * The letter whose id begins like that: the first of them where it was published more
 * than once.
 *
 * @category filtering
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function* (
  letters: DeadLetters,
  queue: string,
  idPrefix: string
): Effect.fn.Return<DeadLetter, BrokerError | CommandFailed | UsageError> {
  if (idPrefix === "") return yield* new UsageError({ message: "an id is not empty" })
  const { letters: found, looked, waiting } = yield* letters.peek({ idPrefix, limit: 100 })
  const letter = found.find(({ id }) => id === idPrefix) ?? found[0]
  if (letter === undefined) {
    const among = looked === waiting ? `the ${waiting}` : `the first ${looked} of ${waiting}`
    return yield* new CommandFailed({
      message: `No id among ${among} dead letters of "${queue}" begins with "${idPrefix}"`
    })
  }
  const isOne = letter.id === idPrefix || found.every(({ id }) => id === letter.id)
  if (isOne) return letter
  return yield* new UsageError({ message: `Several ids begin with "${idPrefix}": write more of it` })
})

/**
 * Whole ids, for what may be their beginnings; `undefined` where nobody names any.
 *
 * @category filtering
 * @since 0.1.0
 */
export const idsOf = Effect.fnUntraced(function* (
  letters: DeadLetters,
  queue: string,
  beginnings: ReadonlyArray<string>
) {
  if (beginnings.length === 0) return undefined
  return yield* Effect.forEach(beginnings, (text) =>
    // A look for what is whole already would be for nothing.
    Parameters.isUuid(text) ? Effect.succeed(text) : Effect.map(find(letters, queue, text), ({ id }) => id)
  )
})
