/**
 * The payloads that every later version of an application has to read: one folder for
 * each version of an event type, `corpus/invoice.paid@1`, beside the lock file.
 *
 * A file `*.json` has a payload, and a file `*.ndjson` has one a line.
 *
 * @since 0.1.0
 */

import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import type * as EventType from "effect-eventbus/EventType"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ContractError from "./ContractError.ts"

/** The number of arbitrary payloads of each version. */
const arbitraries = 500

const invalid = (file: string, error: unknown) =>
  new ContractError.ContractError({
    reason: new ContractError.InvalidLock({ file, detail: error instanceof Error ? error.message : String(error) })
  })

const attempt = <A>(file: string, run: () => Promise<A>): Effect.Effect<A, ContractError.ContractError> =>
  Effect.tryPromise({ try: run, catch: (error) => invalid(file, error) })

/**
 * Returns the folder of the payloads of a version.
 *
 * @category paths
 * @since 0.1.0
 */
export const folder = (lockFile: string, type: string, version: number): string =>
  join(dirname(lockFile), "corpus", `${type}@${version}`)

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12)

/**
 * Returns 500 arbitrary payloads of an event type, or fewer if they are not distinct, as
 * JSON. They are the same each time. It returns none if its schema has no arbitrary
 * values.
 *
 * @category generating
 * @since 0.1.0
 */
export const arbitrary = (type: EventType.Any): Effect.Effect<ReadonlyArray<Schema.JsonObject>> =>
  Effect.suspend(() =>
    Arbitrary.sampleEffect(Arbitrary.schema(type.payload), {
      count: arbitraries,
      size: 8,
      seed: `${type.name}@${type.version}`
    })
  ).pipe(
    Effect.map((values) => {
      const texts = values.flatMap((value) => {
        const json = type.encodePayload(value)
        return Result.isSuccess(json) ? [JSON.stringify(json.success)] : []
      })
      return [...new Set(texts)].map((text): Schema.JsonObject => JSON.parse(text))
    }),
    // A schema with code of its author may be impossible to generate, or may throw.
    Effect.catchCause(() => Effect.succeed([]))
  )

/**
 * Adds payloads to the corpus of a version, such as those that a test publishes. A
 * payload that is there already is not added again. Returns the number of those that are
 * new.
 *
 * @category writing
 * @since 0.1.0
 */
export const add = Effect.fnUntraced(function* (
  lockFile: string,
  type: string,
  version: number,
  payloads: ReadonlyArray<Schema.JsonObject>
): Effect.fn.Return<number, ContractError.ContractError> {
  const into = folder(lockFile, type, version)
  yield* attempt(into, () => mkdir(into, { recursive: true }))
  const present = new Set(yield* attempt(into, () => readdir(into)))
  const files = new Map(
    payloads.map((payload) => {
      const text = JSON.stringify(payload, undefined, 2)
      return [`${digest(text)}.json`, `${text}\n`]
    })
  )
  const fresh = [...files].filter(([name]) => !present.has(name))
  yield* Effect.forEach(fresh, ([name, text]) => attempt(into, () => writeFile(join(into, name), text)), {
    discard: true
  })
  return fresh.length
})

/**
 * Writes the arbitrary payloads of an event type to the corpus. A schema with another
 * `shape` gets a file of its own, and the files of earlier ones stay.
 *
 * @category writing
 * @since 0.1.0
 */
export const addArbitrary = Effect.fnUntraced(function* (
  lockFile: string,
  type: EventType.Any,
  shape: string
): Effect.fn.Return<number, ContractError.ContractError> {
  const payloads = yield* arbitrary(type)
  if (payloads.length === 0) return 0
  const into = folder(lockFile, type.name, type.version)
  const text = payloads.map((payload) => `${JSON.stringify(payload)}\n`).join("")
  yield* attempt(into, () => mkdir(into, { recursive: true }))
  yield* attempt(into, () => writeFile(join(into, `arbitrary-${digest(shape)}.ndjson`), text))
  return payloads.length
})

const Payload = Schema.fromJsonString(Schema.JsonObject)

/**
 * Reads all payloads of a version. There are none if it has no folder.
 *
 * @category reading
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* (
  lockFile: string,
  type: string,
  version: number
): Effect.fn.Return<ReadonlyArray<Schema.JsonObject>, ContractError.ContractError> {
  const from = folder(lockFile, type, version)
  const names = yield* Effect.orElseSucceed(
    attempt(from, () => readdir(from)),
    (): ReadonlyArray<string> => []
  )
  const texts = yield* Effect.forEach(names.filter((name) => /\.(nd)?json$/.test(name)).toSorted(), (name) =>
    Effect.map(
      attempt(from, () => readFile(join(from, name), "utf8")),
      (text) => {
        const parts = name.endsWith(".ndjson") ? text.split("\n").filter((line) => line !== "") : [text]
        return parts.map((part) => [join(from, name), part] as const)
      }
    )
  )
  return yield* Effect.forEach(texts.flat(), ([file, text]) =>
    Effect.mapError(Schema.decodeEffect(Payload)(text), (error) => invalid(file, error))
  )
})
