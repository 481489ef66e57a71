/**
 * Edits of a payload, checked by the schema of its type, and imports, checked line by line.
 *
 * @internal
 */

import type { Contract } from "@effect-eventbus/inspect/Contract"
import * as DeadLetter from "effect-eventbus/DeadLetter"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Issue } from "../ConsoleError.ts"
import type * as JobModel from "../ConsoleJob.ts"
import { memberOf, summaryOf, typeIn } from "./deadLetterView.ts"
import * as JsonText from "./jsonText.ts"
import type { Look } from "./Looks.ts"

const whole = (message: string): ReadonlyArray<Issue> => [{ path: [], message }]

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const issuesOf = (error: Schema.SchemaError): ReadonlyArray<Issue> =>
  format(error.issue).issues.map(({ message, path = [] }) => ({
    message,
    path: path.map((part) => {
      const key = Predicate.hasProperty(part, "key") ? part.key : part
      return typeof key === "number" ? key : String(key)
    })
  }))

/** The text of an edit that may go out, with all digits of its numbers, or the issues because of which it may not. */
export const edited = (
  contract: Contract | undefined,
  letter: DeadLetter.DeadLetter,
  payload: string
): Result.Result<string, ReadonlyArray<Issue>> => {
  const type = typeIn(contract, letter)
  const syntax = Result.try({
    try: (): unknown => JSON.parse(payload),
    catch: (error) => whole(`It is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  })
  if (Result.isFailure(syntax)) return Result.fail(syntax.failure)
  const node = JsonText.parse(payload)
  if (node === undefined) return Result.fail(whole("It is nested too deep"))
  if (node._tag !== "Members") return Result.fail(whole("It is not a JSON object"))
  const text = JsonText.print(node)
  // The older versions of a type have schemas of their own, so only the whole check decides.
  const check = DeadLetter.edited(letter, text, type)
  if (Result.isSuccess(check)) return Result.succeed(text)
  const decoded =
    type && Schema.decodeUnknownResult(Schema.toCodecJson(type.payload), { errors: "all" })(syntax.success)
  return Result.fail(
    decoded !== undefined && Result.isFailure(decoded) ? issuesOf(decoded.failure) : whole(check.failure.message)
  )
}

export const check = (
  contract: Contract | undefined,
  letter: DeadLetter.DeadLetter,
  payload: string
): typeof JobModel.EditCheck.Type => ({
  hasSchema: typeIn(contract, letter) !== undefined,
  issues: Result.match(edited(contract, letter, payload), { onFailure: (issues) => issues, onSuccess: () => [] }),
  before: JsonText.format(memberOf(letter, "payload") ?? ""),
  after: JsonText.format(payload)
})

const maxPreview = 5
/** The most issues that are told. */
const maxIssues = 20

/** The dead letters of NDJSON, and the lines that are none. */
export const parse = (
  ndjson: string
): { readonly letters: ReadonlyArray<DeadLetter.DeadLetter>; readonly issues: ReadonlyArray<Issue> } => {
  const letters: Array<DeadLetter.DeadLetter> = []
  const issues: Array<Issue> = []
  for (const [i, line] of ndjson.split("\n").entries()) {
    if (line.trim() === "") continue
    const result = Result.flatMap(
      Result.try({ try: (): unknown => JSON.parse(line), catch: () => "It is not JSON" }),
      (json) => Result.mapError(DeadLetter.fromJson(json), ({ message }) => message)
    )
    if (Result.isSuccess(result)) letters.push(result.success)
    else if (issues.length < maxIssues) {
      issues.push({ path: [], line: i + 1, message: `This is not a dead letter: ${result.failure.slice(0, 300)}` })
    }
  }
  return { letters, issues }
}

/** Tells which of the dead letters a look has already. */
const thereIn = ({ seen, takenAt: at }: Look, letters: ReadonlyArray<DeadLetter.DeadLetter>) => {
  const known = new Set(seen.map(({ id }) => id))
  const there = letters.filter(({ id }) => known.has(id))
  return { count: there.length, ids: [...new Set(there.map(({ id }) => id))].slice(0, maxPreview), at }
}

/** Checks an import. Without a look, it does not tell which of its dead letters are there already. */
export const checkImport = (ndjson: string, look: Look | undefined): typeof JobModel.ImportCheck.Type => {
  const { issues, letters } = parse(ndjson)
  return {
    count: letters.length,
    bytes: letters.reduce((sum, { envelope }) => sum + envelope.body.length, 0),
    issues,
    preview: letters.slice(0, maxPreview).map(summaryOf),
    there: look && thereIn(look, letters)
  }
}
