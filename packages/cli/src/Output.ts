/**
 * What the command writes, and how: results to stdout, remarks to stderr.
 *
 * Results are for a person, or with `--json` for a program, one object a line.
 * Colour is for terminals alone, and for none where `NO_COLOR` is set
 * (https://no-color.org). What comes from an event is not trusted: it cannot move
 * the cursor or break a line.
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
 * Nobody reads on: the other end of the pipe has gone, as `head` does.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutputClosed extends Data.TaggedError("OutputClosed") {}

/**
 * The result could not be written: the disk is full, say.
 *
 * @category errors
 * @since 0.1.0
 */
export class WriteFailed extends Data.TaggedError("WriteFailed")<{ readonly message: string }> {}

/**
 * Why a result was not written.
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
 * A way to make text stand out.
 *
 * @category models
 * @since 0.1.0
 */
export type Style = keyof typeof codes

/**
 * Gives a text a style, where there is colour.
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
 * Where the command writes.
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
    /** How wide the terminal is; `undefined` where stdout is none. */
    readonly columns: number | undefined
    /** How high it is. */
    readonly rows: number | undefined
    readonly write: (text: string) => Effect.Effect<void, OutputError>
    readonly line: (text: string) => Effect.Effect<void, OutputError>
    /** Writes a value as one line of JSON. */
    readonly json: (value: unknown) => Effect.Effect<void, OutputError>
    /** Writes a line to stderr. */
    readonly note: (text: string) => Effect.Effect<void>
    /** How wide the terminal is that stderr is; `undefined` where it is none. */
    readonly remarkColumns: number | undefined
    /** Writes to stderr as it is. */
    readonly remark: (text: string) => Effect.Effect<void>
    /** Writes what went wrong to stderr, as one line. */
    readonly problem: (text: string) => Effect.Effect<void>
  }
>()("@effect-eventbus/cli/Output") {}

// oxlint-disable-next-line no-control-regex -- these are what it is about: C0, DEL, C1, and what turns text around
const control = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * A text as one line that does nothing to the terminal: white space becomes a
 * space, and what controls terminals is spelled out.
 *
 * @category formatting
 * @since 0.1.0
 */
export const plain = (text: string): string =>
  text.replace(/[\t\r\n]+ */g, " ").replace(control, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

/**
 * Cuts a text that is wider than so many columns, and says so with an ellipsis.
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
 * Fills a text with spaces up to so many columns.
 *
 * @category formatting
 * @since 0.1.0
 */
export const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - displayWidth(text)))

/**
 * Breaks a text between words into lines of so many columns, the second and
 * further ones indented.
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

const goneCodes: ReadonlySet<unknown> = new Set(["EPIPE", "ERR_STREAM_DESTROYED", "ECONNRESET"])

const toOutputError = (error: Error): OutputError =>
  "code" in error && goneCodes.has(error.code)
    ? new OutputClosed()
    : new WriteFailed({ message: `The output cannot be written: ${error.message}` })

const write = (text: string): Effect.Effect<void, OutputError> =>
  Effect.callback((resume) => {
    process.stdout.write(text, (error) => {
      resume(error ? Effect.fail(toOutputError(error)) : Effect.void)
    })
  })

const writeError = (text: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    process.stderr.write(text, () => resume(Effect.void))
  })

const hasColor = (stream: { readonly isTTY?: boolean }): boolean =>
  stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb"

const make = Effect.sync(() => {
  // A pipe that closes is an error of the write; as an event that nobody listens to it would end the process.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
  const paintError = painter(hasColor(process.stderr))
  return Output.of({
    hasColor: hasColor(process.stdout),
    paint: painter(hasColor(process.stdout)),
    get columns() {
      return process.stdout.isTTY ? process.stdout.columns : undefined
    },
    get rows() {
      return process.stdout.isTTY ? process.stdout.rows : undefined
    },
    write,
    line: (text) => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    get remarkColumns() {
      return process.stderr.isTTY ? process.stderr.columns : undefined
    },
    remark: writeError,
    note: (text) => writeError(`${paintError("dim", text)}\n`),
    problem: (text) => writeError(`${paintError("red", "eventbus:")} ${plain(text)}\n`)
  })
})

/** The library's own warnings, each a line on stderr. */
const logger = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
  const words = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations)).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${String(value)}`]
  )
  process.stderr.write(`eventbus: ${logLevel.toLowerCase()}: ${plain([words, ...annotations].join(" "))}\n`)
})

/**
 * Stdout and stderr of this process. Logs go to stderr, from warnings up.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Output> = Layer.mergeAll(
  Layer.effect(Output, make),
  Logger.layer([logger]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)
