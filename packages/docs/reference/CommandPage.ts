import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { root } from "./Package.ts"
import { page } from "./Page.ts"

const bin = join(root, "packages/cli/src/bin.ts")

const helpOf = async (command: ReadonlyArray<string>) => {
  const env = { ...process.env, NO_COLOR: "1" }
  const { stdout } = await promisify(execFile)(process.execPath, [bin, ...command, "--help"], { env })
  return stdout.trim()
}

const subcommandsOf = (help: string) => {
  const [, block = ""] = /^SUBCOMMANDS\n((?: {2}.*\n?)+)/m.exec(help) ?? []
  return Array.from(block.matchAll(/^ {2}(\w[\w-]*)/gm), ([, name = ""]) => name)
}

/** The help of a command and of all below it, in their order. */
const sectionsOf = async (command: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const help = await helpOf(command)
  const sections = [`## ${["eventbus", ...command].join(" ")}\n\n\`\`\`text\n${help}\n\`\`\``]
  // One after the other: each is a process.
  for (const name of subcommandsOf(help)) sections.push(...(await sectionsOf([...command, name])))
  return sections
}

/** The page with the help of every command. */
export const commandPage = async () => {
  const lead =
    "What `eventbus --help` prints, for every command. [The eventbus command](/reference/command/) explains them."
  const sections = await sectionsOf([])
  return page("Help of every command", "The flags and arguments of every command.", [lead, ...sections].join("\n\n"))
}
