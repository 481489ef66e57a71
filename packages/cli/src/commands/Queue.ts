/**
 * `eventbus queue`: lists, inspects, purges, unbinds and deletes queues.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Delete from "./queue/delete.ts"
import * as List from "./queue/list.ts"
import * as Unbind from "./queue/unbind.ts"

/**
 * @category commands
 * @since 0.1.0
 */
export const queue = Command.make("queue").pipe(
  Command.withDescription("List, inspect, purge, unbind or delete queues"),
  Command.withSubcommands([...List.commands, ...Delete.commands, Unbind.unbind])
)
