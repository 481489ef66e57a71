/**
 * The repetition of a command that shows numbers. On a terminal the numbers are redrawn in
 * place; elsewhere they are printed again whenever they have changed.
 *
 * @since 0.1.0
 */

import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as ExitCode from "./ExitCode.ts"
import { Output, type OutputError } from "./Output.ts"
import * as Problem from "./Problem.ts"

/**
 * The flag that repeats a command.
 *
 * @category flags
 * @since 0.1.0
 */
export const flag: Flag.Flag<boolean> = Flag.Boolean("watch").pipe(
  Flag.withDescription("Show it every two seconds, until Ctrl-C"),
  Flag.withDefault(false)
)

const interval = "2 seconds"

/** The text that a command wrote, instead of writing it. */
interface Frame {
  readonly lines: ReadonlyArray<string>
  readonly notes: ReadonlyArray<string>
}

const isOutputError = (error: unknown): error is OutputError =>
  error instanceof Object && "_tag" in error && (error._tag === "OutputClosed" || error._tag === "WriteFailed")

/** Runs a command, and returns what it writes. */
const capture = Effect.fnUntraced(function* <E, R>(show: Effect.Effect<void, E, R>) {
  const output = yield* Output
  const lines: Array<string> = []
  const notes: Array<string> = []
  const add = (to: Array<string>, text: string) =>
    Effect.sync(() => void to.push(...text.replace(/\n$/, "").split("\n")))
  yield* Effect.provideService(show, Output, {
    ...output,
    remarkColumns: undefined,
    write: (text) => add(lines, text),
    line: (text) => add(lines, text),
    json: (value) => add(lines, JSON.stringify(value)),
    remark: (text) => add(notes, text),
    note: (text) => add(notes, text),
    problem: (text) => add(notes, output.paint("red", text))
  })
  const frame: Frame = { lines, notes }
  return frame
})

/** Lines that have scrolled away cannot be redrawn, so a frame has no more than fit. */
const fitting = (lines: ReadonlyArray<string>, rows: number): ReadonlyArray<string> =>
  lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`]

/** Text wraps at the end of a line unless this is off. A wrapped line could not be redrawn. */
const [noWrap, wrap] = ["\u001b[?7l", "\u001b[?7h"]

/** Draws a frame over the previous one. */
const onTerminal = (output: Output["Service"]) => {
  let shown = 0
  return Effect.fnUntraced(function* ({ lines, notes }: Frame) {
    const time = new Date(yield* Clock.currentTimeMillis).toTimeString().slice(0, 8)
    const footer = output.paint("dim", [...notes, `${time}, Ctrl-C ends it`].join("  "))
    const drawn = [...fitting(lines, Math.max(3, (output.rows ?? 24) - 2)), footer]
    const back = shown === 0 ? "" : `\u001b[${shown}A\r\u001b[J`
    shown = drawn.length
    yield* output.write(`${back}${noWrap}${drawn.join("\n")}\n${wrap}`)
  })
}

/** Prints what has changed: the whole frame, or the lines of JSON that are new. */
const onPipe = (output: Output["Service"], isJson: boolean) => {
  let before: Frame = { lines: [], notes: [] }
  return Effect.fnUntraced(function* (frame: Frame) {
    const { lines, notes } = before
    before = frame
    const isChanged = lines.join("\n") !== frame.lines.join("\n")
    const fresh = isJson ? frame.lines.filter((line) => !lines.includes(line)) : isChanged ? frame.lines : []
    if (fresh.length > 0) yield* output.write(fresh.map((line) => `${line}\n`).join(""))
    if (isChanged || notes.join("\n") !== frame.notes.join("\n")) {
      yield* Effect.forEach(frame.notes, output.note, { discard: true })
    }
  })
}

/**
 * Runs what a command shows, once or again and again. A failure ends it the first time.
 * Later it is shown instead, because what fails may come back.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* <E, R>(
  { json = false, watch }: { readonly watch: boolean; readonly json?: boolean | undefined },
  show: Effect.Effect<void, E, R>
) {
  if (!watch) return yield* show
  const output = yield* Output
  const isTerminal = output.columns !== undefined
  const draw = isTerminal ? onTerminal(output) : onPipe(output, json)
  let last = yield* capture(show)
  const look = Effect.catchIf(
    capture(show),
    (error) => !isOutputError(error),
    (error) => Effect.succeed<Frame>({ lines: last.lines, notes: [output.paint("red", Problem.messageOf(error))] })
  )
  const again = Effect.gen(function* () {
    yield* Effect.sleep(interval)
    last = yield* look
    yield* draw(last)
  })
  yield* draw(last)
  return yield* Effect.forever(again).pipe(
    // A frame would be drawn over what is logged, and says it itself.
    isTerminal ? Effect.provideService(References.MinimumLogLevel, "None") : (self) => self,
    ExitCode.whenInterrupted(0)
  )
})
