/**
 * `eventbus dlq export` and `import`: dead letters as NDJSON, and back.
 *
 * @since 0.1.0
 */

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Modules from "../../Modules.ts"
import { Output, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed } from "../../Problem.ts"
import * as Which from "./Which.ts"

const exportFlags = {
  ...Which.some,
  out: Flag.String("out").pipe(
    Flag.withDescription("The file to write [standard output]"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  json: Parameters.json("With --out: how many, as a line of JSON")
}

const exportLetters = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof exportFlags>) {
  const output = yield* Output
  const fs = yield* FileSystem.FileSystem
  const { DeadLetter } = yield* Modules.eventbus
  yield* Which.withLetters(
    input,
    Effect.fnUntraced(function* (letters) {
      const ids = yield* Which.idsOf(letters, input.queue, input.ids)
      const limit = Option.getOrElse(input.limit, () => input.hold)
      const peeked = yield* letters.peek({ ...Which.selectionOf(input), ids, limit })
      const lines = Stream.map(
        Stream.fromIterable(peeked.letters),
        (letter) => `${JSON.stringify(DeadLetter.toJson(letter))}\n`
      )
      if (Option.isNone(input.out)) yield* Stream.runForEach(lines, output.write)
      else {
        yield* Stream.run(Stream.encodeText(lines), fs.sink(input.out.value)).pipe(
          Effect.mapError(({ message }) => new CommandFailed({ message: `It cannot be written: ${message}` }))
        )
      }
      const { looked, waiting } = peeked
      const exported = peeked.letters.length
      if (input.json && Option.isSome(input.out)) {
        return yield* output.json({ queue: input.queue, exported, looked, waiting })
      }
      const among = looked === waiting ? `${waiting} waiting` : `${looked} looked at of ${waiting} waiting`
      yield* output.note(`${exported} exported, ${among}`)
    })
  )
})

const importFlags = {
  queue: Which.queue,
  file: Argument.String("file").pipe(
    Argument.withDescription("What was exported [standard input]"),
    Argument.withDefault("-")
  ),
  json: Parameters.json("How many, as a line of JSON")
}

/** How many letters are on their way at once. */
const concurrency = 100

const importLetters = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof importFlags>) {
  const output = yield* Output
  const fs = yield* FileSystem.FileSystem
  const { stdin } = yield* Stdio.Stdio
  const { DeadLetter } = yield* Modules.eventbus
  let imported = 0
  const parse = ([line, i]: readonly [string, number]) =>
    Effect.try({ try: (): unknown => JSON.parse(line), catch: () => "it is not JSON" }).pipe(
      Effect.flatMap((json) => Effect.fromResult(Result.mapError(DeadLetter.fromJson(json), String))),
      Effect.mapError((detail) => new CommandFailed({ message: `Line ${i + 1} is no dead letter: ${detail}` }))
    )
  yield* Which.withLetters(input, (letters) =>
    (input.file === "-" ? stdin : fs.stream(input.file)).pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.zipWithIndex,
      Stream.filter(([line]) => line.trim() !== ""),
      Stream.mapEffect(parse),
      Stream.mapEffect((letter) => letters.put(letter), { concurrency }),
      Stream.runForEach(() => Effect.sync(() => imported++)),
      Effect.mapError(
        ({ message }) =>
          new CommandFailed({ message: imported === 0 ? message : `${imported} are imported. ${message}` })
      )
    )
  )
  if (input.json) return yield* output.json({ queue: input.queue, imported })
  const letters = imported === 1 ? "1 letter" : `${imported} letters`
  yield* output.line(`${output.paint("green", "imported")}  ${letters} into the dead letters of ${plain(input.queue)}`)
})

/**
 * The commands that write letters to a file, and read them back.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("export", exportFlags, exportLetters).pipe(
    Command.withDescription("Write letters as NDJSON, one a line. All stay where they are"),
    Command.withShortDescription("Write letters as NDJSON"),
    Command.withExamples([{ command: "eventbus dlq export billing --out letters.ndjson" }])
  ),
  Command.make("import", importFlags, importLetters).pipe(
    Command.withDescription("Put letters that were exported among the dead letters of a queue"),
    Command.withShortDescription("Put exported letters back"),
    Command.withExamples([{ command: "eventbus dlq import billing letters.ndjson" }])
  )
] as const
