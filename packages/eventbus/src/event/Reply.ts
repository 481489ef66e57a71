/**
 * The wire format of replies: a JSON object with a payload, as events are, which has one
 * member.
 *
 * | payload | is |
 * |---|---|
 * | `{"success": …}` | the value that the handler of the request succeeded with |
 * | `{"error": …}` | the typed error that it failed with |
 * | `{"died": "…"}` | the reason why there is neither |
 *
 * @since 0.1.0
 */

import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as JsonShape from "./internal/jsonShape.ts"
import * as Utf8 from "./internal/utf8.ts"

/**
 * A reply to a request, with its value as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type Reply =
  | { readonly _tag: "Success"; readonly value: Schema.Json }
  | { readonly _tag: "Error"; readonly error: Schema.Json }
  | { readonly _tag: "Died"; readonly message: string }

const payloadOf = (reply: Reply): Schema.JsonObject => {
  switch (reply._tag) {
    case "Success":
      return { success: reply.value }
    case "Error":
      return { error: reply.error }
    case "Died":
      return { died: reply.message }
  }
}

/**
 * Encodes the body of a reply.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (reply: Reply): Uint8Array => Utf8.encode(JSON.stringify({ payload: payloadOf(reply) }))

const utf8 = new TextDecoder("utf-8", { fatal: true })

const parse = (body: Uint8Array): unknown => {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    return undefined
  }
}

const isObject = (u: unknown): u is Readonly<Record<string, Schema.Json>> =>
  typeof u === "object" && u !== null && !Array.isArray(u)

/**
 * Decodes the body of a reply. It fails with the problem, which never quotes a value.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (body: Uint8Array): Result.Result<Reply, string> => {
  const json = parse(body)
  if (!isObject(json)) return Result.fail("the body is not a JSON object in UTF-8")
  const problem = JsonShape.problem(json)
  if (problem !== undefined) return Result.fail(`the body is refused: ${problem}`)
  if (!isObject(json["payload"])) return Result.fail('the field "payload" is missing or not an object')
  const { died, error, success } = json["payload"]
  const members = [success, error, died].filter((member) => member !== undefined)
  if (members.length !== 1) return Result.fail('the payload must have one of "success", "error" and "died"')
  if (success !== undefined) return Result.succeed({ _tag: "Success", value: success })
  if (error !== undefined) return Result.succeed({ _tag: "Error", error })
  return typeof died === "string"
    ? Result.succeed({ _tag: "Died", message: died })
    : Result.fail('the field "died" is not a string')
}
