/**
 * The subscriptions, handlers and event types that a module of an application
 * exports.
 *
 * @since 0.1.0
 */

import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { basename, dirname, extname, join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import * as BodyPlan from "@effect-eventbus/bodies/BodyPlan"
import type { Event } from "effect-eventbus/Event"
import * as EventType from "effect-eventbus/EventType"
import * as Handler from "effect-eventbus/Handler"
import * as Subscription from "effect-eventbus/Subscription"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ContractError from "./ContractError.ts"

/**
 * The events, subscriptions and handlers that an application declares.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contract {
  readonly info: Info
  readonly eventTypes: ReadonlyArray<EventType.Any>
  readonly subscriptions: ReadonlyArray<Subscription.Subscription<Event>>
  readonly handlers: ReadonlyArray<Handler.Any>
  /** The export `amqpOptions`: how the application shapes its exchanges and queues. */
  readonly options: AmqpOptions.Options
  /** How it seals its bodies. `undefined`: it does not, or does not say so. */
  readonly bodies?: Bodies | undefined
}

/**
 * How an application seals its bodies, by its `BodyPlan`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bodies {
  /** The transforms of payloads, in their order. */
  readonly steps: ReadonlyArray<BodyPlan.Step>
  readonly store: BodyPlan.BodyPlan["store"]
}

/**
 * The name and version of the package that a contract belongs to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Info {
  readonly title: string
  readonly version: string
  readonly description?: string | undefined
}

/** The options that shape exchanges and queues. The address of the broker comes from elsewhere. */
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

const fail = (reason: ContractError.Reason) => new ContractError.ContractError({ reason })

/** Asks a plan for its steps. It may fail, because its keys come from elsewhere. */
const bodiesOf = (plan: BodyPlan.BodyPlan): Effect.Effect<Bodies, ContractError.ContractError> =>
  Effect.mapBoth(BodyPlan.steps(plan), {
    onSuccess: (steps) => ({ steps, store: plan.store }),
    onFailure: (error) =>
      fail(new ContractError.InvalidBodyPlan({ detail: error instanceof Error ? error.message : String(error) }))
  })

/**
 * Gathers subscriptions, handlers, event types and a `BodyPlan` from the exports of a
 * module, alone or in arrays. A handler brings its subscription, and a subscription its
 * event types.
 *
 * **Example** (The contract of a module)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect } from "effect"
 * import { EventType, Handler, Subscription } from "effect-eventbus"
 * import { Contract } from "@effect-eventbus/inspect"
 *
 * const InvoicePaid = EventType.untyped("invoice.paid")
 * const billing = Handler.make(Subscription.make("billing", { events: [InvoicePaid] }), () => Effect.void)
 *
 * const contract = await Effect.runPromise(Contract.fromExports({ billing }, { title: "shop", version: "1.0.0" }))
 * assert.deepStrictEqual(contract.eventTypes, [InvoicePaid])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromExports = Effect.fnUntraced(function* (
  exports: Readonly<Record<string, unknown>>,
  info: Info,
  /** How errors name the module. */
  module: string = info.title
): Effect.fn.Return<Contract, ContractError.ContractError> {
  const values = Object.values(exports).flat()
  const handlers = values.filter(Handler.isHandler)
  const subscriptions = [
    ...handlers.map(({ subscription }) => subscription),
    ...values.filter(Subscription.isSubscription)
  ]
  const eventTypes = [...values.filter(EventType.isEventType), ...subscriptions.flatMap(({ events }) => events)]
  if (subscriptions.length === 0 && eventTypes.length === 0) {
    return yield* fail(new ContractError.NothingExported({ module }))
  }
  const [plan, ...otherPlans] = new Set(values.filter(BodyPlan.isBodyPlan))
  if (otherPlans.length > 0) return yield* fail(new ContractError.SeveralBodyPlans({ module }))
  const { amqpOptions = {} } = exports
  const options = yield* Effect.mapError(Schema.decodeUnknownEffect(Options)(amqpOptions), (error) =>
    fail(new ContractError.InvalidOptions({ module, detail: error.message }))
  )
  return {
    info,
    handlers: [...new Set(handlers)],
    subscriptions: [...new Set(subscriptions)],
    eventTypes: [...new Set(eventTypes)],
    options,
    bodies: plan === undefined ? undefined : yield* bodiesOf(plan)
  }
})

/** Adds what to do to an error of Node's loader. */
const detailOf = (path: string, error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const { message } = error
  const code = "code" in error ? error.code : undefined
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[cm]?ts$/.test(path)) {
    return `Node ${process.versions.node} does not run TypeScript: use Node 24, or compile the module to JavaScript`
  }
  if (code === "ERR_MODULE_NOT_FOUND") return `${message}: install it in the package of the module`
  if (/outside a module|Unexpected token 'export'/.test(message)) {
    return `${message}: set "type": "module" in the package.json of the module`
  }
  return message
}

const importModule = (
  path: string,
  module: string
): Effect.Effect<Readonly<Record<string, unknown>>, ContractError.ContractError> =>
  Effect.tryPromise({
    try: (): Promise<Readonly<Record<string, unknown>>> => import(pathToFileURL(path).href),
    catch: (error) => fail(new ContractError.ModuleNotLoaded({ module, detail: detailOf(path, error) }))
  })

const PackageJson = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.optional(Schema.String),
    version: Schema.optional(Schema.String),
    description: Schema.optional(Schema.String)
  })
)

/** Reads the nearest `package.json`. */
const packageOf = (folder: string): Effect.Effect<typeof PackageJson.Type> => {
  const parent = dirname(folder)
  const file = join(folder, "package.json")
  if (!existsSync(file)) return parent === folder ? Effect.succeed({}) : Effect.suspend(() => packageOf(parent))
  return Effect.tryPromise(() => readFile(file, "utf8")).pipe(
    Effect.flatMap(Schema.decodeEffect(PackageJson)),
    Effect.option,
    Effect.map(Option.getOrElse(() => ({})))
  )
}

/**
 * Imports a module and gathers its exports. The `package.json` nearest to the module
 * gives the contract its title and version.
 *
 * **Gotchas**
 *
 * Importing a module runs it, so it must not start a service by itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = Effect.fnUntraced(function* (
  file: string
): Effect.fn.Return<Contract, ContractError.ContractError> {
  const path = resolve(file)
  if (!existsSync(path)) return yield* fail(new ContractError.ModuleNotFound({ module: file }))
  const exports = yield* importModule(path, file)
  const { description, name = basename(path, extname(path)), version = "0.0.0" } = yield* packageOf(dirname(path))
  return yield* fromExports(exports, { title: name, version, description }, file)
})
