/**
 * `eventbus console`: serves a web page to see and mend what goes wrong.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Database from "../Database.ts"
import * as ExitCode from "../ExitCode.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  port: Parameters.port("The port; 0 is any free port [4680]", 4680),
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on [127.0.0.1]"),
    Flag.withMetavar("ADDRESS"),
    Flag.withDefault("127.0.0.1")
  ),
  module: Flag.optional(
    Parameters.module.pipe(Flag.withDescription("The module with the contract of the application"))
  ),
  queues: Flag.String("queue").pipe(
    Flag.withDescription("Also show this queue; repeatable"),
    Flag.withMetavar("NAME"),
    Flag.atLeast(0)
  ),
  database: Database.flags.database.pipe(
    Flag.withDescription("Also its outbox and schedule [EVENTBUS_DATABASE]"),
    Flag.optional
  ),
  schema: Database.flags.schema.pipe(Flag.withDescription("The schema of its tables")),
  prefix: Database.flags.prefix,
  readOnly: Flag.Boolean("read-only").pipe(Flag.withDescription("Change nothing"), Flag.withDefault(false)),
  hideBodies: Flag.Boolean("hide-bodies").pipe(
    Flag.withDescription("Do not show the bodies of events"),
    Flag.withDefault(false)
  ),
  open: Flag.Boolean("open").pipe(Flag.withDescription("Open it in the browser"), Flag.withDefault(false)),
  memory: Flag.Boolean("memory").pipe(
    Flag.withDescription("Use an empty bus in memory, without RabbitMQ"),
    Flag.withDefault(false)
  )
}

type Input = Command.Command.Config.Infer<typeof flags>

const run = Effect.fnUntraced(
  function* (input: Input) {
    const { run } = yield* Effect.promise(() => import("../ConsoleServer.ts"))
    return yield* run(input)
  },
  // The audit lines of the console are informations.
  Effect.provideService(References.MinimumLogLevel, "Info"),
  // Ctrl-C is the normal end.
  ExitCode.whenInterrupted(0)
)

/**
 * @category commands
 * @since 0.1.0
 */
export const console = Command.make("console", flags, run).pipe(
  Command.withShortDescription("See and mend dead letters in a browser"),
  Command.withDescription(
    "Serve a web page that shows queues, dead letters, traces and topology, and\n" +
      "  replays, edits and discards dead letters, until Ctrl-C. It prints a link that\n" +
      "  logs one browser in. An address other than this machine's own needs a token of\n" +
      "  at least 32 characters in EVENTBUS_CONSOLE_TOKEN."
  ),
  Command.withExamples([
    { command: "eventbus console --module ./src/bus.ts --open" },
    { command: "eventbus console --queue billing --queue mails --read-only" }
  ])
)
