/**
 * Runs the codecs of schemas, whose transformations are the code of their authors.
 *
 * @internal
 */

import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** Treats an exception as a refusal, because a schema with transformations runs its author's code. */
export const refusable = <A, E>(run: () => Result.Result<A, E>): Result.Result<A, E | undefined> => {
  try {
    return run()
  } catch {
    return Result.fail(undefined)
  }
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** Returns the paths at which a schema refused a value, without the values. */
export const describe = (error: Schema.SchemaError | undefined, root: string): string => {
  if (error === undefined) return `${root}, by throwing`
  const paths = formatIssue(error.issue).issues.map(({ path = [] }) => [root, ...path.map(String)].join("."))
  return [...new Set(paths)].slice(0, 8).join(", ")
}
