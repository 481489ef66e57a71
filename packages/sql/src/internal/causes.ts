/**
 * Why an effect failed, in words.
 *
 * @internal
 */

import * as Cause from "effect/Cause"

/** Returns the message of the first failure, or of the first defect. */
export const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}
