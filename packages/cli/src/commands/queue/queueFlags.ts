/**
 * The argument and the flag that the `eventbus queue` commands share.
 *
 * @since 0.1.0
 */

import * as Argument from "effect/cli/Argument"
import * as Parameters from "../../Parameters.ts"

/**
 * The queue, and whether to print JSON.
 *
 * @category flags
 * @since 0.1.0
 */
export const one = {
  name: Argument.String("name").pipe(
    Argument.withDescription("The name of the queue"),
    Argument.filter(
      (name) => name !== "",
      () => "it is empty"
    )
  ),
  json: Parameters.json("Print the result as a line of JSON")
}
