/**
 * A contract as it was recorded: the versions of its event types as JSON Schemas, and
 * the subscriptions that read them. It lies in version control, as `contract.lock.json`.
 *
 * @since 0.1.0
 */

import { existsSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import type { Event } from "effect-eventbus/Event"
import * as EventType from "effect-eventbus/EventType"
import * as Priority from "effect-eventbus/Priority"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import type { Subscription } from "effect-eventbus/Subscription"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Contract } from "./Contract.ts"
import * as ContractError from "./ContractError.ts"
import * as Corpus from "./Corpus.ts"

const Recorded = Schema.Struct({
  type: Schema.String,
  version: Schema.Int,
  accept: Schema.Literals(["known", "newer"]),
  /** The older versions that have a step. */
  steps: Schema.Array(Schema.Int),
  schema: Schema.JsonObject,
  definitions: Schema.Record(Schema.String, Schema.JsonObject)
})

/**
 * A version of an event type, as it was recorded.
 *
 * @category models
 * @since 0.1.0
 */
export type Recorded = typeof Recorded.Type

/**
 * A recorded contract. A version whose schema changed is there more than once, the
 * latest last, because queues and dead letters may hold events of each.
 *
 * @category models
 * @since 0.1.0
 */
export const ContractLock = Schema.Struct({
  types: Schema.Array(Recorded),
  subscriptions: Schema.Array(Schema.Struct({ name: Schema.String, reads: Schema.Array(Schema.String) }))
})

/**
 * A recorded contract.
 *
 * @category models
 * @since 0.1.0
 */
export type ContractLock = typeof ContractLock.Type

/**
 * The recorded contract of an application that has recorded nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: ContractLock = { types: [], subscriptions: [] }

const toJson = Schema.decodeUnknownSync(Schema.fromJsonString(Recorded))

/**
 * Describes a version of an event type as it would be recorded. The schema names all
 * fields that a publisher writes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const describe = (type: {
  readonly name: string
  readonly version: number
  readonly payload: EventType.PayloadSchema
  readonly accept?: "known" | "newer"
  readonly from?: ReadonlyMap<number, unknown>
}): Effect.Effect<Recorded, ContractError.ContractError> =>
  Effect.try({
    try: () => {
      const { definitions, schema } = Schema.toJsonSchemaDocument(type.payload, { onExcessProperty: "error" })
      const { accept = "known", from, name, version } = type
      const steps = [...(from?.keys() ?? [])]
      return toJson(JSON.stringify({ type: name, version, accept, steps, schema, definitions }))
    },
    catch: (error) =>
      new ContractError.ContractError({
        reason: new ContractError.NoJsonSchema({
          eventType: type.name,
          detail: error instanceof Error ? error.message : String(error)
        })
      })
  })

/**
 * Returns the schema of a recorded version as a text, which is the same for equal ones.
 *
 * @category getters
 * @since 0.1.0
 */
export const shapeOf = ({ definitions, schema }: Recorded): string => JSON.stringify([schema, definitions])

/**
 * Returns whether a subscription reads an event type: by name, or any that its patterns
 * match if it names none.
 *
 * @category predicates
 * @since 0.1.0
 */
export const reads = ({ events, patterns }: Subscription<Event>, type: string): boolean =>
  events.length > 0
    ? events.some(({ name }) => name === type)
    : Priority.all.some((priority) =>
        patterns.some((pattern) => RoutingKey.matches(pattern, RoutingKey.make(type, priority)))
      )

/** Returns the older versions that a type has steps from, as types of their own. */
const olderOf = ({ accept, from, name }: EventType.Any): ReadonlyArray<EventType.Any> =>
  Array.from(from, ([version, { payload }]) => EventType.make(name, { version, payload, accept }))

/**
 * Adds a contract to a recorded one, and its arbitrary payloads to the corpus. Nothing
 * that was recorded is removed, but for subscriptions. An older version that was never
 * recorded is taken from the step that reads it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const record = Effect.fnUntraced(function* (
  lock: ContractLock,
  { eventTypes, subscriptions }: Contract,
  lockFile: string
): Effect.fn.Return<ContractLock, ContractError.ContractError> {
  const types = [...lock.types]
  const isKnown = (older: EventType.Any) =>
    eventTypes.some(({ name, version }) => name === older.name && version === older.version) ||
    lock.types.some(({ type, version }) => type === older.name && version === older.version)
  const older = eventTypes.flatMap(olderOf).filter((type) => !isKnown(type))
  for (const type of [...older, ...eventTypes]) {
    const described = yield* describe(type)
    const isEqual = (other: Recorded) => JSON.stringify(other) === JSON.stringify(described)
    // The latest one comes last: it is what runs.
    const index = types.findIndex(isEqual)
    if (index >= 0) types.splice(index, 1)
    types.push(described)
    yield* Corpus.addArbitrary(lockFile, type, shapeOf(described))
  }
  const names = [...new Set(types.map(({ type }) => type))].toSorted()
  return {
    types: names.flatMap((name) =>
      types.filter(({ type }) => type === name).toSorted((one, other) => one.version - other.version)
    ),
    subscriptions: subscriptions
      .filter(({ temporary }) => !temporary)
      .map((subscription) => ({
        name: subscription.name,
        reads: names.filter((name) => reads(subscription, name))
      }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
  }
})

const invalid = (file: string, detail: string) =>
  new ContractError.ContractError({ reason: new ContractError.InvalidLock({ file, detail }) })

const File = Schema.fromJsonString(ContractLock)

/**
 * Reads a lock file.
 *
 * @category files
 * @since 0.1.0
 */
export const read = (file: string): Effect.Effect<ContractLock, ContractError.ContractError> =>
  existsSync(file)
    ? Effect.tryPromise({ try: () => readFile(file, "utf8"), catch: (error) => invalid(file, String(error)) }).pipe(
        Effect.flatMap((text) =>
          Effect.mapError(Schema.decodeEffect(File)(text), ({ message }) => invalid(file, message))
        )
      )
    : Effect.fail(invalid(file, "there is no such file: create it with eventbus contract record"))

/**
 * Writes a lock file.
 *
 * @category files
 * @since 0.1.0
 */
export const write = (file: string, lock: ContractLock): Effect.Effect<void, ContractError.ContractError> =>
  Effect.tryPromise({
    try: async () => {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, `${JSON.stringify(lock, undefined, 2)}\n`)
    },
    catch: (error) => invalid(file, String(error))
  })
