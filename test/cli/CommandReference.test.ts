import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { Command } from "effect/cli/Command"
import * as Cli from "../../packages/cli/src/Cli.ts"

const page = readFileSync(
  join(import.meta.dirname, "../../packages/docs/src/content/docs/reference/command.md"),
  "utf8"
)

/** The commands that run something, by their full names. */
const commandsOf = ({ name, subcommands }: Command.Any, above: ReadonlyArray<string> = []): ReadonlyArray<string> => {
  const path = [...above, name]
  const below = subcommands.flatMap(({ commands }) => commands.flatMap((command) => commandsOf(command, path)))
  return below.length === 0 ? [path.join(" ")] : below
}

/** The commands of the tables, without their arguments. */
const rows = Array.from(page.matchAll(/^\| `(eventbus [^`]+)`/gm), ([, command = ""]) =>
  command.replace(/ [<[].*$/, "")
)

describe("The reference of the command", () => {
  it("has a row for each command, and none for what is no command", () => {
    // One row leads to the table of all commands of dead letters.
    const leads = ["eventbus dlq"]
    assert.deepStrictEqual(rows.toSorted(), [...commandsOf(Cli.eventbus), ...leads].toSorted())
  })
})
