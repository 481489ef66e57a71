/**
 * The output of the command: results go to stdout, remarks to stderr.
 *
 * Results are for a person or, with `--json`, for a program: one object a line.
 * Colours are for terminals only, and `NO_COLOR` disables them (https://no-color.org).
 * Text from events is not trusted: it cannot move the cursor or break a line.
 *
 * @since 0.1.0
 */

import { displayWidth } from "effect/cli/CliOutput"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

/**
 * The reader of the output has closed it, as `head` does.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutputClosed extends Data.TaggedError("OutputClosed") {}

/**
 * The result could not be written, for example to a full disk.
 *
 * @category errors
 * @since 0.1.0
 */
export class WriteFailed extends Data.TaggedError("WriteFailed")<{ readonly message: string }> {}

/**
 * A failure to write a result.
 *
 * @category errors
 * @since 0.1.0
 */
export type OutputError = OutputClosed | WriteFailed

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39]
} as const

/**
 * A text style.
 *
 * @category models
 * @since 0.1.0
 */
export type Style = keyof typeof codes

/**
 * A function that styles a text, where colours are enabled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Paint {
  (style: Style, text: string): string
}

const painter =
  (hasColor: boolean): Paint =>
  (style, text) =>
    hasColor && text !== "" ? `\u001b[${codes[style][0]}m${text}\u001b[${codes[style][1]}m` : text

/**
 * The output of the command.
 *
 * @category services
 * @since 0.1.0
 */
export class Output extends Context.Service<
  Output,
  {
    /** Whether stdout shows colours. */
    readonly hasColor: boolean
    readonly paint: Paint
    /** The width of the terminal; `undefined` where stdout is not a terminal. */
    readonly columns: number | undefined
    /** The height of the terminal; `undefined` where stdout is not a terminal. */
    readonly rows: number | undefined
    readonly write: (text: string) => Effect.Effect<void, OutputError>
    readonly line: (text: string) => Effect.Effect<void, OutputError>
    /** Writes a value as one line of JSON. */
    readonly json: (value: unknown) => Effect.Effect<void, OutputError>
    /** Writes a line to stderr. */
    readonly note: (text: string) => Effect.Effect<void>
    /** The width of the terminal; `undefined` where stderr is not a terminal. */
    readonly remarkColumns: number | undefined
    /** Writes text to stderr unchanged. */
    readonly remark: (text: string) => Effect.Effect<void>
    /** Writes an error to stderr, as one line. */
    readonly problem: (text: string) => Effect.Effect<void>
  }
>()("@effect-eventbus/cli/Output") {}

// oxlint-disable-next-line no-control-regex -- the rule forbids what this has to match: C0, DEL, C1, and text direction
const control = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * Returns a text as one harmless line: white space becomes a space, and control
 * characters are escaped.
 *
 * @category formatting
 * @since 0.1.0
 */
export const plain = (text: string): string =>
  text.replace(/[\t\r\n]+ */g, " ").replace(control, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

/**
 * The width of lines where stdout is not a terminal.
 *
 * @category formatting
 * @since 0.1.0
 */
export const pipedColumns = 120

/**
 * Cuts a text to a width in columns, and marks the cut with an ellipsis.
 *
 * @category formatting
 * @since 0.1.0
 */
export const cut = (text: string, width: number): string => {
  if (displayWidth(text) <= width) return text
  let kept = ""
  let used = 1
  for (const char of text) {
    used += displayWidth(char)
    if (used > width) break
    kept += char
  }
  return `${kept}…`
}

/**
 * Pads a text with spaces to a width in columns.
 *
 * @category formatting
 * @since 0.1.0
 */
export const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - displayWidth(text)))

/**
 * Breaks a text between words into lines of a width in columns. All lines but the first
 * are indented.
 *
 * @category formatting
 * @since 0.1.0
 */
export const wrap = (text: string, width: number, indent: number): string => {
  let line = ""
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    if (line !== "" && displayWidth(line) + displayWidth(word) >= width - indent) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`)
}

/**
 * Formats a number of things, such as `1 event` or `3 events`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const goneCodes: ReadonlySet<unknown> = new Set(["EPIPE", "ERR_STREAM_DESTROYED", "ECONNRESET"])

const toOutputError = (error: Error): OutputError =>
  "code" in error && goneCodes.has(error.code)
    ? new OutputClosed()
    : new WriteFailed({ message: `The output cannot be written: ${error.message}` })

/** A stream of a process, which may be a terminal. */
interface Stream extends NodeJS.WritableStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

/**
 * The streams of a process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Streams {
  readonly stdout: Stream
  readonly stderr: Stream
}

const hasColor = ({ isTTY }: Stream): boolean => isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb"

const make = ({ stderr, stdout }: Streams): Output["Service"] => {
  // A closed pipe fails the write already. Without a listener, its error event would end the process.
  for (const stream of [stdout, stderr]) stream.on("error", () => {})
  const paintError = painter(hasColor(stderr))
  const write = (text: string): Effect.Effect<void, OutputError> =>
    Effect.callback((resume) => {
      stdout.write(text, (error) => {
        resume(error ? Effect.fail(toOutputError(error)) : Effect.void)
      })
    })
  const writeError = (text: string): Effect.Effect<void> =>
    Effect.callback((resume) => {
      stderr.write(text, () => resume(Effect.void))
    })
  return Output.of({
    hasColor: hasColor(stdout),
    paint: painter(hasColor(stdout)),
    get columns() {
      return stdout.isTTY ? stdout.columns : undefined
    },
    get rows() {
      return stdout.isTTY ? stdout.rows : undefined
    },
    write,
    line: (text) => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    get remarkColumns() {
      return stderr.isTTY ? stderr.columns : undefined
    },
    remark: writeError,
    note: (text) => writeError(`${paintError("dim", text)}\n`),
    problem: (text) => writeError(`${paintError("red", "eventbus:")} ${plain(text)}\n`)
  })
}

/** Writes the library's warnings to stderr, one line each. */
const logger = ({ stderr }: Streams) =>
  Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
    const words = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations)).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${String(value)}`]
    )
    stderr.write(`eventbus: ${logLevel.toLowerCase()}: ${plain([words, ...annotations].join(" "))}\n`)
  })

/**
 * Two streams, such as those of this process. Warnings and errors are logged to stderr.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (streams: Streams): Layer.Layer<Output> =>
  Layer.mergeAll(
    Layer.sync(Output, () => make(streams)),
    Logger.layer([logger(streams)]),
    Layer.succeed(References.MinimumLogLevel, "Warn")
  )
