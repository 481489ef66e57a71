/**
 * Keeps what was measured: as JSON with everything in it, and as charts of the
 * ratios.
 *
 * @since 0.1.0
 */

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Chart from "./Chart.ts"
import type { Growth } from "./Growth.ts"
import type { Machine } from "./Machine.ts"
import type { Outcome } from "./Outcome.ts"
import type { Startup } from "./Startup.ts"

/**
 * Everything that one run of the bench found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Results {
  readonly machine: Machine
  readonly rounds: number
  readonly outcomes: ReadonlyArray<Outcome>
  readonly growths: ReadonlyArray<Growth>
  readonly startup: Startup | undefined
}

/**
 * Writes `results.json`, `ratios.svg` and `growth.svg` into a folder; a chart only
 * where there is something to draw.
 *
 * @category running
 * @since 0.1.0
 */
export const write = (folder: string, results: Results): void => {
  const { growths, machine, outcomes } = results
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`)
  if (outcomes.length > 0) writeFileSync(join(folder, "ratios.svg"), Chart.ratios(outcomes, machine))
  if (growths.length > 0) writeFileSync(join(folder, "growth.svg"), Chart.growth(growths, machine))
}
