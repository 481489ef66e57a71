/**
 * `eventbus dlq`: inspects and repairs the dead letters of a queue.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import { edit } from "./dlq/edit.ts"
import * as Export from "./dlq/export.ts"
import { groups } from "./dlq/groups.ts"
import * as Peek from "./dlq/peek.ts"
import * as Replay from "./dlq/replay.ts"

const [peek, show] = Peek.commands

/**
 * @category commands
 * @since 0.1.0
 */
export const dlq = Command.make("dlq").pipe(
  Command.withDescription("Inspect and repair the dead letters of a queue"),
  Command.withSubcommands([peek, groups, show, ...Replay.commands, edit, ...Export.commands])
)
