/**
 * `eventbus blobs`: sweeps the store of payloads.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import { sweep } from "./blobs/sweep.ts"

/**
 * @category commands
 * @since 0.1.0
 */
export const blobs = Command.make("blobs").pipe(
  Command.withDescription("Sweep the store of large payloads"),
  Command.withSubcommands([sweep])
)
