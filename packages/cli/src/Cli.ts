/**
 * The `eventbus` command.
 *
 * @since 0.1.0
 */

import { readFileSync } from "node:fs"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import type { FlagDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { asyncapi } from "./commands/AsyncApi.ts"
import { blobs } from "./commands/Blobs.ts"
import { console } from "./commands/Console.ts"
import { contract } from "./commands/Contract.ts"
import { demo } from "./commands/Demo.ts"
import { dlq } from "./commands/Dlq.ts"
import { doctor } from "./commands/Doctor.ts"
import { explain } from "./commands/Explain.ts"
import { health } from "./commands/Health.ts"
import { outbox } from "./commands/Outbox.ts"
import { pause, resume } from "./commands/Pause.ts"
import { publish } from "./commands/Publish.ts"
import { queue } from "./commands/Queue.ts"
import { retries } from "./commands/Retries.ts"
import { schedule } from "./commands/Schedule.ts"
import { serve } from "./commands/Serve.ts"
import { tail } from "./commands/Tail.ts"
import { topology } from "./commands/Topology.ts"
import { trace } from "./commands/Trace.ts"
import * as Connection from "./Connection.ts"
import type * as ExitCode from "./ExitCode.ts"
import * as Exporter from "./Exporter.ts"
import { Output } from "./Output.ts"
import * as Problem from "./Problem.ts"

/**
 * The root of all commands.
 *
 * @category commands
 * @since 0.1.0
 */
export const eventbus = Command.make("eventbus").pipe(
  Command.withDescription("Publish events, watch them, and manage their queues"),
  Command.withSubcommands([
    publish,
    tail,
    trace,
    queue,
    pause,
    resume,
    retries,
    dlq,
    blobs,
    outbox,
    schedule,
    topology,
    explain,
    asyncapi,
    contract,
    health,
    serve,
    console,
    doctor,
    demo
  ])
)

const version = (): string => JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version

const section = (title: string, rows: ReadonlyArray<readonly [string, string]>): string => {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2
  return [title, ...rows.map(([name, meaning]) => `  ${name.padEnd(width)}${meaning}`)].join("\n")
}

const others = [
  ["EVENTBUS_DATABASE", "postgres:// URL or SQLite file of the outbox"],
  ["EVENTBUS_CONSOLE_TOKEN", "Token of the console, 32 characters or more"],
  ["EVENTBUS_CONSOLE_HOSTS", "More host names of the console, comma-separated"]
] as const

const collector = ["OTEL_EXPORTER_OTLP_ENDPOINT", "Collector for the command's own traces"] as const
const noColor = ["NO_COLOR", "Disables colours, whatever its value"] as const

const exitCodes = [
  ["0", "Success"],
  ["1", "Failure; one line on stderr says why"],
  ["2", "Usage error"],
  ["130", "Interrupted (tail, trace, serve and --watch exit with 0)"]
] as const

/** Shortens the list of shells, which is too wide for a terminal. */
const shorter = (flag: FlagDoc): FlagDoc =>
  flag.name === "completions"
    ? { ...flag, type: "SHELL", description: Option.some("Print completions for bash, zsh, fish or powershell") }
    : flag

/** Formats help as Effect does, and adds the variables and exit codes to the root. */
const formatter = ({ hasColor, paint }: Output["Service"]): CliOutput.Formatter => {
  const formatter = CliOutput.defaultFormatter({ colors: hasColor, globalFlags: "none" })
  return {
    ...formatter,
    formatHelpDoc: (doc) => {
      const help = formatter.formatHelpDoc({ ...doc, globalFlags: doc.globalFlags?.map(shorter) ?? [] })
      if (doc.commandPath?.length !== 1) return help
      return [
        help,
        section(paint("bold", "ENVIRONMENT"), [...Connection.variables, ...others, collector, noColor]),
        section(paint("bold", "EXIT CODES"), exitCodes)
      ].join("\n\n")
    }
  }
}

/** Prints help to stdout, and a usage error as one line to stderr. */
const presenter = (output: Output["Service"]): CliOutput.Presenter => ({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? output.problem(Problem.usage(event.commandPath, event.errors))
      : CliOutput.defaultPresenter.present(event)
})

const layerCli: Layer.Layer<never, never, Output> = Layer.unwrap(
  Output.use((output) =>
    Effect.succeed(
      Layer.mergeAll(
        CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
        CliOutput.layer(formatter(output)),
        CliOutput.layerPresenter(presenter(output))
      )
    )
  )
)

/**
 * Runs the command that the arguments of the process name. A failure becomes one line
 * on stderr and an exit code.
 *
 * @category running
 * @since 0.1.0
 */
export const main: Effect.Effect<void, ExitCode.ExitCode, Command.Environment | Output> = Effect.suspend(() =>
  Command.run(eventbus, { version: version() })
).pipe(Effect.provide([layerCli, Exporter.layer]), Effect.catchCause(Problem.report))
