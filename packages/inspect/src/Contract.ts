/**
 * What a module of the user's says of its events: the subscriptions, handlers and
 * event types among its exports.
 *
 * The module is imported, so it must not do anything of its own: start a service,
 * say.
 *
 * @since 0.1.0
 */

import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { Event } from "effect-eventbus/Event"
import * as EventType from "effect-eventbus/EventType"
import * as Handler from "effect-eventbus/Handler"
import * as Subscription from "effect-eventbus/Subscription"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Parameters from "./Parameters.ts"
import { CommandFailed, UsageError } from "./Problem.ts"

/**
 * What a module says of its events.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contract {
  /** Where the module is. */
  readonly path: string
  readonly eventTypes: ReadonlyArray<EventType.Any>
  readonly subscriptions: ReadonlyArray<Subscription.Subscription<Event>>
  readonly handlers: ReadonlyArray<Handler.Any>
  /** What the export `amqpOptions` says of exchanges and queues. */
  readonly options: AmqpOptions.Options
}

/** What shapes exchanges and queues, of all the options of the broker. Where it is, the environment says. */
const Options = Schema.Struct({
  exchange: Schema.optional(Schema.String),
  deadLetterExchange: Schema.optional(Schema.String),
  queueType: Schema.optional(Schema.Literals(["quorum", "classic"])),
  deliveryLimit: Schema.optional(Schema.Finite),
  queues: Schema.optional(
    Schema.Record(
      Schema.String,
      Schema.Struct({
        queueType: Schema.optional(Schema.Literals(["quorum", "classic"])),
        topology: Schema.optional(Schema.Literals(["assert", "verify", "none"]))
      })
    )
  )
})

const importModule = (file: string): Effect.Effect<Readonly<Record<string, unknown>>, UsageError | CommandFailed> => {
  const path = resolve(file)
  if (!existsSync(path)) return Effect.fail(new UsageError({ message: `There is no module "${file}"` }))
  return Effect.tryPromise({
    try: (): Promise<Readonly<Record<string, unknown>>> => import(pathToFileURL(path).href),
    catch: (error) =>
      new CommandFailed({ message: `The module "${file}" cannot be loaded: ${Parameters.reason(error)}` })
  })
}

/**
 * Imports a module, and gathers what it exports: subscriptions, handlers and event
 * types, alone or in arrays. A handler brings its subscription along, and a
 * subscription its event types.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = Effect.fnUntraced(function* (file: string): Effect.fn.Return<Contract, UsageError | CommandFailed> {
  const exports = yield* importModule(file)
  const values = Object.values(exports).flat()
  const handlers = values.filter(Handler.isHandler)
  const subscriptions = [
    ...handlers.map(({ subscription }) => subscription),
    ...values.filter(Subscription.isSubscription)
  ]
  const eventTypes = [...values.filter(EventType.isEventType), ...subscriptions.flatMap(({ events }) => events)]
  if (subscriptions.length === 0 && eventTypes.length === 0) {
    const message = `"${file}" exports no subscription, no handler and no event type`
    return yield* new UsageError({ message })
  }
  const { amqpOptions: exported = {} } = exports
  const options = yield* Effect.mapError(
    Schema.decodeUnknownEffect(Options)(exported),
    (error) => new UsageError({ message: `The amqpOptions of "${file}" are none: ${error.message}` })
  )
  return {
    path: resolve(file),
    handlers: [...new Set(handlers)],
    subscriptions: [...new Set(subscriptions)],
    eventTypes: [...new Set(eventTypes)],
    options
  }
})
