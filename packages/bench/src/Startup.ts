/**
 * How long the command takes to say what it can do.
 *
 * @since 0.1.0
 */

import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/**
 * Seconds, round by round.
 *
 * @category models
 * @since 0.1.0
 */
export interface Startup {
  /** Of `eventbus --help`. */
  readonly help: ReadonlyArray<number>
  /** Of a Node that imports what the command imports, and does nothing. */
  readonly imports: ReadonlyArray<number>
}

/**
 * The name under which it is asked for, beside the scenarios.
 *
 * @category constructors
 * @since 0.1.0
 */
export const name = "help"

const cli = (file: string): URL => new URL(`../../cli/src/${file}`, import.meta.url)

/** The command does so, too. */
const cached = `(await import("node:module")).enableCompileCache()`

const run = async (...args: ReadonlyArray<string>): Promise<number> => {
  const startedAt = performance.now()
  await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
  return (performance.now() - startedAt) / 1000
}

/**
 * Measures both in turn.
 *
 * @category running
 * @since 0.1.0
 */
export const measure = async (rounds: number): Promise<Startup> => {
  const startup = { help: new Array<number>(), imports: new Array<number>() }
  for (let round = 0; round < rounds; round++) {
    startup.help.push(await run(fileURLToPath(cli("bin.ts")), "--help"))
    startup.imports.push(
      await run("--input-type=module", "--eval", `${cached}; await import(${JSON.stringify(cli("Cli.ts"))})`)
    )
  }
  return startup
}

/**
 * How much longer the command takes than its imports alone, round by round.
 *
 * @category getters
 * @since 0.1.0
 */
export const ratios = ({ help, imports }: Startup): ReadonlyArray<number> =>
  help.map((seconds, i) => seconds / (imports[i] ?? Number.NaN))
