/**
 * `eventbus dlq`: looks at the dead letters of a queue, and mends them.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Copy from "./dlq/Copy.ts"
import { edit } from "./dlq/Edit.ts"
import * as Look from "./dlq/Look.ts"
import * as Take from "./dlq/Take.ts"

/**
 * @category commands
 * @since 0.1.0
 */
export const dlq = Command.make("dlq").pipe(
  Command.withDescription("Look at the dead letters of a queue, and mend them"),
  Command.withSubcommands([...Look.commands, ...Take.commands, edit, ...Copy.commands])
)
