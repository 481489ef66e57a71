/**
 * Whether the consumers of a contract read all versions that were ever recorded, and
 * which side of a change to deploy first. It is known from code alone, without a broker.
 *
 * @since 0.1.0
 */

import type { Event } from "effect-eventbus/Event"
import * as EventCodec from "effect-eventbus/EventCodec"
import type * as EventType from "effect-eventbus/EventType"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import type { Contract } from "./Contract.ts"
import type * as ContractError from "./ContractError.ts"
import * as ContractLock from "./ContractLock.ts"
import * as Corpus from "./Corpus.ts"
import { difference } from "./internal/schemaDifference.ts"

/**
 * A consumer that cannot read a version.
 *
 * @category models
 * @since 0.1.0
 */
export interface Break {
  readonly consumer: string
  readonly version: number
  /** `undefined`: the changes say it. */
  readonly reason: string | undefined
}

/**
 * The changes of an event type since its contract was recorded, and those that they break.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly type: string
  /** The newest version. */
  readonly version: number
  /** Whether this form of the type is in the lock file. */
  readonly isRecorded: boolean
  /** How the newest schema differs for events of older ones. */
  readonly changes: ReadonlyArray<string>
  readonly breaks: ReadonlyArray<Break>
  /** The consumers that read every version. */
  readonly readers: ReadonlyArray<string>
  /** The recorded versions without a payload in the corpus, so that reading them was not tried. */
  readonly untried: ReadonlyArray<number>
  /** The side to deploy first. With `neither`, no order avoids dead letters. */
  readonly first: "any" | "consumers" | "producers" | "neither"
}

/**
 * Returns whether a change would make dead letters, or is not known to make none.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isBreaking = ({ breaks, untried }: Finding): boolean => breaks.length > 0 || untried.length > 0

/** A version as it was or is published, and some of its payloads. */
interface Written {
  readonly described: ContractLock.Recorded
  readonly payloads: ReadonlyArray<Schema.JsonObject>
}

/** The outcome of reading a version by a type: how the schema differs, or why it cannot. */
interface Reading {
  readonly changes: ReadonlyArray<string>
  readonly reason: string | undefined
  readonly isBroken: boolean
}

const encoder = new TextEncoder()

const bodyOf = (type: string, payload: Schema.JsonObject): Uint8Array =>
  encoder.encode(
    JSON.stringify({
      event_id: "00000000-0000-4000-8000-000000000000",
      event_type: type,
      timestamp: "2026-01-01T00:00:00Z",
      payload
    })
  )

/** Reads payloads, writes what they became, and reads that again. Returns the first reason why this fails. */
const refusal = (type: EventType.Any, version: number, payloads: ReadonlyArray<Schema.JsonObject>) => {
  const decode: EventCodec.Decoder<Event> = EventCodec.decoder<ReadonlyArray<EventType.Any>>([type])
  for (const payload of payloads) {
    const event = decode({ version, body: bodyOf(type.name, payload) })
    if (Result.isFailure(event)) return event.failure.detail
    const back = Result.flatMap(type.encodePayload(event.success.payload), type.decodePayload)
    if (Result.isFailure(back)) return `what it makes of an event cannot be written and read again`
  }
  return undefined
}

const changesFor = (written: Written, reader: ContractLock.Recorded) => difference(written.described, reader)

const readingOf = Effect.fnUntraced(function* (
  type: EventType.Any,
  described: ContractLock.Recorded,
  written: Written
): Effect.fn.Return<Reading, ContractError.ContractError> {
  const { version } = written.described
  const step = type.from.get(version)
  const broken = (changes: Reading["changes"], reason: string | undefined) => ({ changes, reason, isBroken: true })
  if (version > type.version && type.accept === "known") {
    return broken([], `it reads versions up to ${type.version}`)
  }
  if (step !== undefined && version < type.version) {
    const ofStep = changesFor(written, yield* ContractLock.describe({ ...type, version, payload: step.payload }))
    if (ofStep.length > 0) return broken([], `its step from ${version}: ${ofStep.join(", ")}`)
    const reason = refusal(type, version, written.payloads)
    return { changes: [], reason, isBroken: reason !== undefined }
  }
  const changes = changesFor(written, described)
  const hint = version < type.version ? `no step from ${version}` : undefined
  if (changes.length > 0 || (type.from.size > 0 && version < type.version)) return broken(changes, hint)
  const reason = refusal(type, version, written.payloads)
  return { changes, reason, isBroken: reason !== undefined }
})

/** Returns whether consumers that run the recorded code read what the new code publishes. */
const isReadByOld = (old: ContractLock.Recorded, { described, payloads }: Written): boolean => {
  if (described.version > old.version && old.accept === "known") return false
  if (described.version < old.version && old.steps.length > 0) return old.steps.includes(described.version)
  if (ContractLock.shapeOf(old) === ContractLock.shapeOf(described)) return true
  if (difference(described, old).length > 0) return false
  try {
    const document = { dialect: "draft-2020-12", schema: old.schema, definitions: old.definitions } as const
    const decode = Schema.decodeUnknownResult(
      Schema.make<Schema.ConstraintCodec<unknown, unknown>>(
        SchemaRepresentation.fromJsonSchemaDocument(document, { patterns: "apply" }).ast
      )
    )
    return payloads.every((payload) => Result.isSuccess(decode(payload)))
  } catch {
    // It cannot be tried, so it is not known to be compatible.
    return false
  }
}

const orders = { true: { true: "any", false: "consumers" }, false: { true: "producers", false: "neither" } } as const

const findingOf = Effect.fnUntraced(function* (
  name: string,
  { eventTypes, subscriptions }: Contract,
  lock: ContractLock.ContractLock,
  lockFile: string
): Effect.fn.Return<Finding, ContractError.ContractError> {
  const types = eventTypes.filter((type) => type.name === name).toSorted((one, other) => other.version - one.version)
  const recorded = lock.types.filter(({ type }) => type === name)
  const described = new Map<EventType.Any, ContractLock.Recorded>()
  for (const type of types) described.set(type, yield* ContractLock.describe(type))
  const published = yield* Effect.forEach([...described], ([type, each]) =>
    Effect.map(Corpus.arbitrary(type), (payloads): Written => ({ described: each, payloads }))
  )
  const versions = [...new Set(recorded.map(({ version }) => version))]
  const corpora = new Map<number, ReadonlyArray<Schema.JsonObject>>()
  for (const version of versions) corpora.set(version, yield* Corpus.read(lockFile, name, version))
  const shapes = recorded.map((each): Written => ({ described: each, payloads: corpora.get(each.version) ?? [] }))

  const consumers = subscriptions
    .filter((subscription) => !subscription.temporary && ContractLock.reads(subscription, name))
    .map(({ events, name: consumer }) => ({ consumer, type: events.find((type) => type.name === name) }))
  const [newest] = types
  const isReadHere = consumers.some(({ type }) => type !== undefined)
  const all =
    isReadHere || newest === undefined ? consumers : [...consumers, { consumer: "its consumers", type: newest }]

  const changes = new Set<string>()
  const breaks = new Map<string, Break>()
  const readings = new Map<EventType.Any, ReadonlyArray<readonly [version: number, Reading]>>()
  for (const type of types) {
    const own = described.get(type)
    if (own === undefined) continue
    const others = published.filter((each) => each.described !== own)
    readings.set(
      type,
      yield* Effect.forEach([...shapes, ...others], (written) =>
        Effect.map(readingOf(type, own, written), (reading) => [written.described.version, reading] as const)
      )
    )
  }
  for (const { consumer, type } of all) {
    for (const [version, reading] of type === undefined ? [] : (readings.get(type) ?? [])) {
      if (!reading.isBroken) continue
      for (const change of reading.changes) changes.add(change)
      breaks.set(`${consumer} ${version}`, { consumer, version, reason: reading.reason })
    }
  }
  const last = recorded.at(-1)
  for (const { name: consumer, reads } of last === undefined ? [] : lock.subscriptions) {
    const isThere = subscriptions.some((subscription) => subscription.name === consumer)
    if (last === undefined || !isThere || !reads.includes(name)) continue
    if (consumers.some((each) => each.consumer === consumer)) continue
    breaks.set(consumer, { consumer, version: last.version, reason: "it no longer receives the type" })
  }
  const isBackward = breaks.size === 0
  const isForward = last === undefined || published.every((written) => isReadByOld(last, written))
  const broken = new Set([...breaks.values()].map(({ consumer }) => consumer))
  return {
    type: name,
    version: newest?.version ?? last?.version ?? 1,
    isRecorded: [...described.values()].every((each) =>
      recorded.some((other) => JSON.stringify(other) === JSON.stringify(each))
    ),
    changes: [...changes],
    breaks: [...breaks.values()],
    readers: all.map(({ consumer }) => consumer).filter((consumer) => !broken.has(consumer)),
    untried: types.length === 0 ? [] : versions.filter((version) => corpora.get(version)?.length === 0),
    first: orders[`${isBackward}`][`${isForward}`]
  }
})

/**
 * Compares a contract with the recorded one, type by type.
 *
 * **Details**
 *
 * Each consumer must read each version that was ever recorded, and those that the
 * contract publishes now. Schemas are compared, and what is not understood counts as a
 * change. Then all payloads of the corpus are decoded, and encoded again. Consumers that
 * run the recorded code are compared with what the new code publishes, which tells the
 * order of the deployments.
 *
 * The replies to requests are not compared.
 *
 * **Example** (A field that became required)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { mkdtempSync } from "node:fs"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 * import { Effect, Schema } from "effect"
 * import { EventType, Subscription } from "effect-eventbus"
 * import { Compatibility, Contract, ContractLock } from "@effect-eventbus/inspect"
 *
 * const lockFile = join(mkdtempSync(join(tmpdir(), "contract-")), "contract.lock.json")
 * const info = { title: "shop", version: "1.0.0" }
 * const contractOf = (payload: EventType.PayloadSchema) => {
 *   const OrderPlaced = EventType.make("order.placed", { payload })
 *   return Contract.fromExports({ billing: Subscription.make("billing", { events: [OrderPlaced] }) }, info)
 * }
 *
 * const program = Effect.gen(function* () {
 *   const old = yield* contractOf(Schema.Struct({ id: Schema.String }))
 *   const lock = yield* ContractLock.record(ContractLock.empty, old, lockFile)
 *   const now = yield* contractOf(Schema.Struct({ id: Schema.String, currency: Schema.String }))
 *   const [finding] = yield* Compatibility.check(now, lock, lockFile)
 *   assert.deepStrictEqual(finding?.changes, ['"currency" became required'])
 * })
 *
 * await Effect.runPromise(program)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const check = (
  contract: Contract,
  lock: ContractLock.ContractLock,
  /** The lock file. Its corpus lies beside it. */
  lockFile: string
): Effect.Effect<ReadonlyArray<Finding>, ContractError.ContractError> => {
  const names = new Set([...contract.eventTypes.map(({ name }) => name), ...lock.types.map(({ type }) => type)])
  return Effect.forEach([...names].toSorted(), (name) => findingOf(name, contract, lock, lockFile))
}
