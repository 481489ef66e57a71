/**
 * `eventbus dlq edit`: replays a dead letter with another payload.
 *
 * @since 0.1.0
 */

import { spawn } from "node:child_process"
import type * as EventType from "effect-eventbus/EventType"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as EventLine from "../../EventLine.ts"
import * as lazyImports from "../../lazyImports.ts"
import * as LosslessJson from "../../LosslessJson.ts"
import { Output, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed, UsageError } from "../../Problem.ts"
import * as deadLetterFlags from "./deadLetterFlags.ts"

const flags = {
  queue: deadLetterFlags.queue,
  id: deadLetterFlags.id,
  payload: Flag.String("payload").pipe(
    Flag.withDescription("The new payload, - for stdin [opens $EDITOR]"),
    Flag.withMetavar("JSON"),
    Flag.optional
  ),
  module: Flag.optional(Parameters.module),
  json: Parameters.json("Print the result as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

/** Runs an editor in the terminal, and waits for its end. */
const open = (editor: string, file: string): Effect.Effect<void, CommandFailed> =>
  Effect.callback((resume) => {
    const fail = (detail: string) =>
      resume(Effect.fail(new CommandFailed({ message: `The editor "${editor}" ${detail}` })))
    // The editor may be a command with arguments, as for git. The file is passed as an argument, so its name is safe.
    const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" })
    child.once("error", (error) => fail(`cannot be started: ${error.message}`))
    child.once("exit", (code) =>
      code === 0 ? resume(Effect.void) : fail(`exited with ${code}, so nothing was replayed`)
    )
    return Effect.sync(() => child.kill())
  })

/** Opens the payload in an editor. Returns its new text and file, or `undefined` if it was not changed. */
const editText = Effect.fnUntraced(function* (payload: Schema.Json) {
  const editor = process.env.VISUAL || process.env.EDITOR
  const stdio = yield* Stdio.Stdio
  const isAtTerminal = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal)
  if (!editor || !isAtTerminal) {
    const missing = isAtTerminal ? "neither VISUAL nor EDITOR names an editor" : "there is no terminal for an editor"
    return yield* new UsageError({ message: `Use --payload: ${missing}` })
  }
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectory({ prefix: "eventbus-" })
  const file = `${folder}/payload.json`
  const before = `${JSON.stringify(payload, null, 2)}\n`
  const cleanUp = Effect.ignore(fs.remove(folder, { recursive: true }))
  yield* fs.writeFileString(file, before)
  yield* Effect.onError(open(editor, file), () => cleanUp)
  const after = yield* fs.readFileString(file)
  if (after !== before) return { text: after, file, cleanUp }
  yield* cleanUp
  return undefined
})

/** Returns the given payload, the one on stdin, or the one from the editor. */
const textOf = Effect.fnUntraced(function* (given: Option.Option<string>, payload: Schema.Json) {
  if (Option.isNone(given)) return yield* editText(payload)
  if (given.value !== "-") return { text: given.value, file: undefined, cleanUp: Effect.void }
  const { stdin } = yield* Stdio.Stdio
  return { text: yield* Stream.mkString(Stream.decodeText(stdin)), file: undefined, cleanUp: Effect.void }
})

/** Returns a function that finds an event type of the module or of the agent platform. */
const typesOf = Effect.fnUntraced(function* (module: Option.Option<string>) {
  const { AgentEvents } = yield* lazyImports.agents
  const { Contract } = yield* lazyImports.inspect
  const types = Option.isSome(module) ? (yield* Contract.load(module.value)).eventTypes : []
  return (name: string): EventType.Any | undefined =>
    types.find((type) => type.name === name) ?? AgentEvents.byName.get(name)
})

const run = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { EventCodec } = yield* lazyImports.eventbus
  const typeOf = yield* typesOf(input.module)
  yield* deadLetterFlags.withDeadLetters(
    input,
    Effect.fnUntraced(function* (deadLetters) {
      const { envelope, id } = yield* deadLetterFlags.find(deadLetters, input.queue, input.id)
      const event = EventCodec.decoder([])(envelope)
      if (Result.isFailure(event)) {
        return yield* new CommandFailed({ message: `"${id}" is not an event: ${event.failure.detail}` })
      }
      const { eventType } = event.success
      const type = typeOf(eventType)
      const written = yield* textOf(input.payload, EventLine.payloadOf(envelope))
      if (written === undefined) return yield* output.note("Nothing was changed, so nothing was replayed")
      const { cleanUp, file, text } = written
      const kept = file === undefined ? "" : `; your text is in ${file}`
      const refuse = (detail: string) => new UsageError({ message: `Invalid payload: ${detail}${kept}` })
      yield* Effect.try({ try: () => LosslessJson.parseObject(text), catch: Parameters.reason }).pipe(
        Effect.mapError(refuse),
        Effect.flatMap((payload) => deadLetters.edit(id, payload, type)),
        Effect.mapError((error) => {
          if (error._tag === "UsageError") return error
          return error._tag === "PublishError" && error.reason._tag === "EncodeFailed"
            ? refuse(error.reason.detail)
            : new CommandFailed({ message: `${error.message}${kept}` })
        })
      )
      yield* cleanUp
      const isChecked = type !== undefined
      if (input.json) return yield* output.json({ queue: input.queue, id, replayed: true, checked: isChecked })
      const remark = isChecked ? "" : `  ${output.paint("dim", `not checked: no schema for ${plain(eventType)}`)}`
      yield* output.line(`${output.paint("green", "replayed")}  ${plain(id)}  with the new payload${remark}`)
    })
  )
})

/**
 * @category commands
 * @since 0.1.0
 */
export const edit = Command.make("edit", flags, run).pipe(
  Command.withDescription(
    "Replay a dead letter with another payload. The payload of a type of the module\n" +
      "  or of the agent platform is checked first."
  ),
  Command.withShortDescription("Replay a dead letter with another payload"),
  Command.withExamples([
    { command: "eventbus dlq edit billing 3f2a9c01" },
    { command: `eventbus dlq edit billing 3f2a9c01 --payload '{"amount":12}'` }
  ])
)
