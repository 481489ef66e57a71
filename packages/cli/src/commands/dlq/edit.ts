/**
 * `eventbus dlq edit`: delivers a letter anew with another payload.
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
import * as Contract from "../../Contract.ts"
import * as Modules from "../../Modules.ts"
import { Output, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed, UsageError } from "../../Problem.ts"
import * as Which from "./Which.ts"

const flags = {
  queue: Which.queue,
  id: Which.id,
  payload: Flag.String("payload").pipe(
    Flag.withDescription("The new payload, or - to read it [asks $EDITOR]"),
    Flag.withMetavar("JSON"),
    Flag.optional
  ),
  module: Flag.optional(Parameters.module),
  json: Parameters.json("As a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

/** Lets an editor have the terminal until it is done. */
const open = (editor: string, file: string): Effect.Effect<void, CommandFailed> =>
  Effect.callback((resume) => {
    const fail = (what: string) => resume(Effect.fail(new CommandFailed({ message: `The editor "${editor}" ${what}` })))
    // It may be a command with arguments, as git has it. The file is an argument of the shell, whatever its name.
    const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" })
    child.once("error", (error) => fail(`cannot be started: ${error.message}`))
    child.once("exit", (code) =>
      code === 0 ? resume(Effect.void) : fail(`ended with ${code}, so nothing is replayed`)
    )
    return Effect.sync(() => child.kill())
  })

/** The payload as someone wrote it in an editor, and the file it is in; `undefined` where they changed nothing. */
const write = Effect.fnUntraced(function* (payload: Schema.JsonObject) {
  const editor = process.env.VISUAL || process.env.EDITOR
  const stdio = yield* Stdio.Stdio
  const isAtTerminal = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal)
  if (!editor || !isAtTerminal) {
    const missing = isAtTerminal ? "neither VISUAL nor EDITOR names an editor" : "there is no terminal for an editor"
    return yield* new UsageError({ message: `Say --payload: ${missing}` })
  }
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectory({ prefix: "eventbus-" })
  const file = `${folder}/payload.json`
  const before = `${JSON.stringify(payload, null, 2)}\n`
  const forget = Effect.ignore(fs.remove(folder, { recursive: true }))
  yield* fs.writeFileString(file, before)
  yield* Effect.onError(open(editor, file), () => forget)
  const after = yield* fs.readFileString(file)
  if (after !== before) return { text: after, file, forget }
  yield* forget
  return undefined
})

/** The payload that was given, or is read, or is written now. */
const textOf = Effect.fnUntraced(function* (given: Option.Option<string>, payload: Schema.JsonObject) {
  if (Option.isNone(given)) return yield* write(payload)
  if (given.value !== "-") return { text: given.value, file: undefined, forget: Effect.void }
  const { stdin } = yield* Stdio.Stdio
  return { text: yield* Stream.mkString(Stream.decodeText(stdin)), file: undefined, forget: Effect.void }
})

/** Looks up what the user's module or the agent platform says of a type. */
const typesOf = Effect.fnUntraced(function* (module: Option.Option<string>) {
  const { AgentEvents } = yield* Modules.agents
  const types = Option.isSome(module) ? (yield* Contract.load(module.value)).eventTypes : []
  return (name: string): EventType.Any | undefined =>
    types.find((type) => type.name === name) ?? AgentEvents.byName.get(name)
})

const run = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { EventCodec } = yield* Modules.eventbus
  const typeOf = yield* typesOf(input.module)
  yield* Which.withLetters(
    input,
    Effect.fnUntraced(function* (letters) {
      const { envelope, id } = yield* Which.find(letters, input.queue, input.id)
      const event = EventCodec.decoder([])(envelope)
      if (Result.isFailure(event)) {
        return yield* new CommandFailed({ message: `"${id}" is no event: ${event.failure.detail}` })
      }
      const { eventType, payload } = event.success
      const type = typeOf(eventType)
      const written = yield* textOf(input.payload, payload)
      if (written === undefined) return yield* output.note("Nothing was changed, so nothing is replayed")
      const { file, forget, text } = written
      const isKept = file === undefined ? "" : `; what you wrote is in ${file}`
      const refuse = (detail: string) => new UsageError({ message: `The payload cannot be taken: ${detail}${isKept}` })
      yield* Effect.try({ try: () => Parameters.jsonObject(text), catch: Parameters.reason }).pipe(
        Effect.mapError(refuse),
        Effect.flatMap((payload) => letters.edit(id, payload, type)),
        Effect.mapError((error) => {
          if (error._tag === "UsageError") return error
          return error._tag === "PublishError" && error.reason._tag === "EncodeFailed"
            ? refuse(error.reason.detail)
            : new CommandFailed({ message: `${error.message}${isKept}` })
        })
      )
      yield* forget
      const isChecked = type !== undefined
      if (input.json) return yield* output.json({ queue: input.queue, id, replayed: true, checked: isChecked })
      const remark = isChecked
        ? ""
        : `  ${output.paint("dim", `not checked: no schema of ${plain(eventType)} is known`)}`
      yield* output.line(`${output.paint("green", "replayed")}  ${plain(id)}  with its new payload${remark}`)
    })
  )
})

/**
 * @category commands
 * @since 0.1.0
 */
export const edit = Command.make("edit", flags, run).pipe(
  Command.withDescription(
    "Deliver a letter to its queue anew with another payload. That of a type that\n" +
      "  the module or the agent platform knows is checked before anything is sent."
  ),
  Command.withShortDescription("Deliver a letter anew with another payload"),
  Command.withExamples([
    { command: "eventbus dlq edit billing 3f2a9c01" },
    { command: `eventbus dlq edit billing 3f2a9c01 --payload '{"amount":12}'` }
  ])
)
