/**
 * Reads a payload in the version in which it was published.
 *
 * @internal
 */

import * as Result from "effect/Result"
import type { DecodeFailed } from "../EventCodec.ts"
import type * as EventType from "../EventType.ts"
import type * as Version from "../Version.ts"
import * as SchemaCodec from "./schemaCodec.ts"

/** The reason why a payload cannot be read. */
interface Refusal {
  readonly code: DecodeFailed["code"]
  readonly detail: string
}

const fail = (code: Refusal["code"], detail: string) => Result.fail<Refusal>({ code, detail })

const byNewest = (type: EventType.Any, json: unknown): Result.Result<unknown, Refusal> => {
  const payload = SchemaCodec.refusable(() => type.decodePayload(json))
  return Result.isSuccess(payload)
    ? Result.succeed(payload.success)
    : fail("InvalidPayload", `the schema of ${type.name} refuses ${SchemaCodec.describe(payload.failure, "payload")}`)
}

/** Takes a step whose schema has accepted the payload. */
const take = (type: EventType.Any, version: number, up: () => unknown): Result.Result<unknown, Refusal> => {
  const step = `the step of ${type.name} from version ${version} to ${type.version}`
  let made: unknown
  try {
    made = up()
  } catch (error) {
    // The text of the error may quote the payload.
    return fail("StepFailed", `${step} threw ${error instanceof Error ? error.name : typeof error}`)
  }
  const payload = SchemaCodec.refusable(() => type.checkPayload(made))
  return Result.isSuccess(payload)
    ? Result.succeed(payload.success)
    : fail("StepFailed", `${step} made what the schema refuses: ${SchemaCodec.describe(payload.failure, "payload")}`)
}

const byStep = (type: EventType.Any, version: number, step: Version.Step<unknown>, json: unknown) => {
  const old = SchemaCodec.refusable(() => step.decode(json))
  return Result.isSuccess(old)
    ? take(type, version, old.success)
    : fail(
        "InvalidPayload",
        `the schema of ${type.name}, version ${version}, refuses ${SchemaCodec.describe(old.failure, "payload")}`
      )
}

/** Reads a payload by the oldest version that can, because its publisher did not say which one it is. */
const byOldest = (type: EventType.Any, json: unknown): Result.Result<unknown, Refusal> => {
  for (const [version, step] of type.from) {
    const old = SchemaCodec.refusable(() => step.decode(json))
    if (Result.isSuccess(old)) return take(type, version, old.success)
  }
  return byNewest(type, json)
}

/** Returns the payload in the newest version of its type. */
export const decode = (
  type: EventType.Any,
  json: unknown,
  version: number | undefined
): Result.Result<unknown, Refusal> => {
  if (version !== undefined && version > type.version && type.accept === "known") {
    return fail(
      "FutureVersion",
      `it is ${type.name} in version ${version}, and this subscription reads versions up to ${type.version}: deploy a newer one, and replay the event`
    )
  }
  if (type.from.size === 0) return byNewest(type, json)
  if (version === undefined) return byOldest(type, json)
  if (version >= type.version) return byNewest(type, json)
  const step = type.from.get(version)
  return step === undefined
    ? fail("PastVersion", `${type.name} has no step from version ${version}: add it, and replay the event`)
    : byStep(type, version, step, json)
}
