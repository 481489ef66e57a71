/**
 * `eventbus dlq export` and `import`: write dead letters as NDJSON, and read them back.
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
import * as lazyImports from "../../lazyImports.ts"
import { Output, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed } from "../../Problem.ts"
import * as deadLetterFlags from "./deadLetterFlags.ts"

const exportFlags = {
  ...deadLetterFlags.some,
  out: Flag.String("out").pipe(
    Flag.withDescription("The file to write [standard output]"),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  json: Parameters.json("With --out: print the number as JSON")
}

const exportDeadLetters = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof exportFlags>) {
  const output = yield* Output
  const fs = yield* FileSystem.FileSystem
  const { DeadLetter } = yield* lazyImports.eventbus
  yield* deadLetterFlags.withDeadLetters(
    input,
    Effect.fnUntraced(function* (deadLetters) {
      const ids = yield* deadLetterFlags.idsOf(deadLetters, input.queue, input.ids)
      const limit = Option.getOrElse(input.limit, () => input.hold)
      const peeked = yield* deadLetters.peek({ ...deadLetterFlags.filterOf(input), ids, limit })
      const lines = Stream.map(
        Stream.fromIterable(peeked.letters),
        (deadLetter) => `${JSON.stringify(DeadLetter.toJson(deadLetter))}\n`
      )
      if (Option.isNone(input.out)) yield* Stream.runForEach(lines, output.write)
      else {
        yield* Stream.run(Stream.encodeText(lines), fs.sink(input.out.value)).pipe(
          Effect.mapError(({ message }) => new CommandFailed({ message: `Cannot write the file: ${message}` }))
        )
      }
      const { looked, waiting } = peeked
      const exported = peeked.letters.length
      if (input.json && Option.isSome(input.out)) {
        return yield* output.json({ queue: input.queue, exported, looked, waiting })
      }
      const among = looked === waiting ? `${waiting} waiting` : `${looked} of ${waiting} scanned`
      yield* output.note(`${exported} exported, ${among}`)
    })
  )
})

const importFlags = {
  queue: deadLetterFlags.queue,
  file: Argument.String("file").pipe(
    Argument.withDescription("An exported file [standard input]"),
    Argument.withDefault("-")
  ),
  json: Parameters.json("Print the number as a line of JSON")
}

/** The number of dead letters that are imported at once. */
const concurrency = 100

const importDeadLetters = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof importFlags>) {
  const output = yield* Output
  const fs = yield* FileSystem.FileSystem
  const { stdin } = yield* Stdio.Stdio
  const { DeadLetter } = yield* lazyImports.eventbus
  let imported = 0
  const parse = ([line, i]: readonly [string, number]) =>
    Effect.try({ try: (): unknown => JSON.parse(line), catch: () => "it is not JSON" }).pipe(
      Effect.flatMap((json) => Effect.fromResult(Result.mapError(DeadLetter.fromJson(json), String))),
      Effect.mapError((detail) => new CommandFailed({ message: `Line ${i + 1} is not a dead letter: ${detail}` }))
    )
  yield* deadLetterFlags.withDeadLetters(input, (deadLetters) =>
    (input.file === "-" ? stdin : fs.stream(input.file)).pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.zipWithIndex,
      Stream.filter(([line]) => line.trim() !== ""),
      Stream.mapEffect(parse),
      Stream.mapEffect((deadLetter) => deadLetters.put(deadLetter), { concurrency }),
      Stream.runForEach(() => Effect.sync(() => imported++)),
      Effect.mapError(
        ({ message }) => new CommandFailed({ message: imported === 0 ? message : `Imported ${imported}. ${message}` })
      )
    )
  )
  if (input.json) return yield* output.json({ queue: input.queue, imported })
  const deadLetters = imported === 1 ? "1 dead letter" : `${imported} dead letters`
  yield* output.line(`${output.paint("green", "imported")}  ${deadLetters} of ${plain(input.queue)}`)
})

/**
 * The commands that write dead letters to a file, and read them back.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("export", exportFlags, exportDeadLetters).pipe(
    Command.withDescription("Write dead letters as NDJSON, one a line. They stay in their queue."),
    Command.withShortDescription("Write dead letters as NDJSON"),
    Command.withExamples([{ command: "eventbus dlq export billing --out dead-letters.ndjson" }])
  ),
  Command.make("import", importFlags, importDeadLetters).pipe(
    Command.withDescription("Add exported dead letters to the dead letters of a queue"),
    Command.withShortDescription("Add exported dead letters"),
    Command.withExamples([{ command: "eventbus dlq import billing dead-letters.ndjson" }])
  )
] as const
