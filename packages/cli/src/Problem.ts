/**
 * Failures of commands, reported as one line with an exit code.
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
 * A wrong use of the command.
 *
 * @category errors
 * @since 0.1.0
 */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

/**
 * A failure of the command itself.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}

/**
 * Returns the failure of a command whose queue does not exist.
 *
 * @category constructors
 * @since 0.1.0
 */
export const noQueue = (name: string, hint = ""): CommandFailed =>
  new CommandFailed({ message: `There is no queue "${name}"${hint}` })

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : `: did you mean ${suggestions.slice(0, 3).join(" or ")}?`

/** The format in which Effect lists the values of a flag. */
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
      return `Unexpected argument: ${error.arguments.map((argument) => `"${argument}"`).join(" ")}`
    case "InvalidValue": {
      const name = error.kind === "flag" ? `--${error.option}` : `<${error.option}>`
      if (error.value === "") return `${name} needs a value`
      return choices.test(error.expected)
        ? `${name} must be one of ${error.expected.replaceAll('"', "").replaceAll(" |", ",")}, not "${error.value}"`
        : `${name}: ${error.expected}`
    }
    default:
      return error.message
  }
}

/**
 * Describes a usage error, and points to the help of the command.
 *
 * @category formatting
 * @since 0.1.0
 */
export const usage = (commandPath: ReadonlyArray<string>, errors: ReadonlyArray<CliError.CliError>): string =>
  `${errors.map(describeUsage).join("; ")} (see: ${commandPath.join(" ")} --help)`

/** Hides credentials: a message may quote a URL with a password. */
const withoutCredentials = (text: string): string => text.replace(/:\/\/\S*@/g, "://***@")

/** The format of an invalid configuration value. Its name is moved to the front. */
const schemaError = /^SchemaError\((.*?)\s+at \["(\w+)"\]\)$/s
const sourceError = /^SourceError: /

/**
 * Returns the message of an error, without credentials.
 *
 * @category formatting
 * @since 0.1.0
 */
export const messageOf = (error: unknown): string => {
  const message = String(Predicate.hasProperty(error, "message") ? error.message : error)
    .replace(schemaError, "$2: $1")
    .replace(sourceError, "")
  return withoutCredentials(message.trim() === "" ? "unknown error" : message)
}

/** The library throws a `RangeError` for an invalid argument. A module that fails to load is no usage error. */
const isMisuse = (error: unknown): boolean => {
  if (
    error instanceof RangeError ||
    Predicate.isTagged(error, "UsageError") ||
    Predicate.isTagged(error, "ConfigError")
  )
    return true
  const reason = Predicate.hasProperty(error, "reason") ? error.reason : undefined
  return (
    (Predicate.isTagged(error, "ContractError") && !Predicate.isTagged(reason, "ModuleNotLoaded")) ||
    (Predicate.isTagged(error, "ManagementError") && Predicate.isTagged(reason, "InvalidUrl"))
  )
}

/**
 * Prints the failure to stderr and turns it into an exit code. An interruption stays an
 * interruption, and a closed output is no failure.
 *
 * @category running
 * @since 0.1.0
 */
export const report = <E>(cause: Cause.Cause<E>): Effect.Effect<void, ExitCode, Output> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  const error: unknown = Cause.squash(cause)
  if (Predicate.isTagged(error, "OutputClosed")) return Effect.void
  if (Predicate.isTagged(error, "ShowHelp")) {
    const isRequested =
      Predicate.hasProperty(error, "errors") && Array.isArray(error.errors) && error.errors.length === 0
    return isRequested ? Effect.void : Effect.fail(new ExitCode({ code: 2 }))
  }
  return Output.use((output) =>
    Effect.andThen(output.problem(messageOf(error)), Effect.fail(new ExitCode({ code: isMisuse(error) ? 2 : 1 })))
  )
}
