/**
 * What went wrong, in one line, and the exit code that goes with it.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import type * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { ExitCode } from "./ExitCode.ts"
import { Output } from "./Output.ts"

/**
 * The command was called in a way it cannot be.
 *
 * @category errors
 * @since 0.1.0
 */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

/**
 * The command could not do what it was asked, for a reason of its own.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : `: did you mean ${suggestions.slice(0, 3).join(" or ")}?`

/** How Effect lists the values that a flag may have. */
const choices = /^"[^"]*"( \| "[^"]*")+$/

const describeUsage = (error: CliError.CliError): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `Unknown flag ${error.option}${didYouMean(error.suggestions)}`
    case "UnknownSubcommand":
      return `Unknown command "${error.subcommand}"${didYouMean(error.suggestions)}`
    case "MissingArgument":
      return `Missing argument <${error.argument}>`
    case "MissingOption":
      return `Missing flag --${error.option}`
    case "UnexpectedArgument":
      return `One argument too many: ${error.arguments.map((argument) => `"${argument}"`).join(" ")}`
    case "InvalidValue": {
      const name = error.kind === "flag" ? `--${error.option}` : `<${error.option}>`
      if (error.value === "") return `${name} needs a value`
      return choices.test(error.expected)
        ? `${name} is one of ${error.expected.replaceAll('"', "").replaceAll(" |", ",")}, not "${error.value}"`
        : `${name}: ${error.expected}`
    }
    default:
      return error.message
  }
}

/**
 * Says what is wrong with a call of a command, and where to read how it is done.
 *
 * @category formatting
 * @since 0.1.0
 */
export const usage = (commandPath: ReadonlyArray<string>, errors: ReadonlyArray<CliError.CliError>): string =>
  `${errors.map(describeUsage).join("; ")} (see: ${commandPath.join(" ")} --help)`

/** A message may quote a URL, and a URL holds a password. */
const withoutCredentials = (text: string): string => text.replace(/:\/\/\S*@/g, "://***@")

/** A value that the configuration cannot take: its name is to come first. */
const schemaError = /^SchemaError\((.*?)\s+at \["(\w+)"\]\)$/s
const sourceError = /^SourceError: /

const messageOf = (error: unknown): string => {
  const message = String(Predicate.hasProperty(error, "message") ? error.message : error)
    .replace(schemaError, "$2: $1")
    .replace(sourceError, "")
  return withoutCredentials(message.trim() === "" ? "something went wrong, and did not say what" : message)
}

/** By the conventions of the library, a `RangeError` is the mistake of whoever gave the value. */
const isMisuse = (error: unknown): boolean =>
  error instanceof RangeError || Predicate.isTagged(error, "UsageError") || Predicate.isTagged(error, "ConfigError")

/**
 * Says on stderr what went wrong, and turns it into an exit code. An interruption
 * is left as it is, and a reader who has gone is the end, not a failure.
 *
 * @category running
 * @since 0.1.0
 */
export const report = <E>(cause: Cause.Cause<E>): Effect.Effect<void, ExitCode, Output> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  const error: unknown = Cause.squash(cause)
  if (Predicate.isTagged(error, "OutputClosed")) return Effect.void
  if (Predicate.isTagged(error, "ShowHelp")) {
    const isAskedFor =
      Predicate.hasProperty(error, "errors") && Array.isArray(error.errors) && error.errors.length === 0
    return isAskedFor ? Effect.void : Effect.fail(new ExitCode({ code: 2 }))
  }
  return Output.use((output) =>
    Effect.andThen(output.problem(messageOf(error)), Effect.fail(new ExitCode({ code: isMisuse(error) ? 2 : 1 })))
  )
}
