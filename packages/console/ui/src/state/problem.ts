/** What went wrong, in words. */
import * as Predicate from "effect/Predicate"
import type { Issue } from "../../../src/ConsoleError.ts"

export interface Problem {
  readonly tag: string
  readonly title: string
  readonly message: string
  readonly similar: ReadonlyArray<string>
  readonly issues: ReadonlyArray<Issue>
  /** The job that stands in the way. */
  readonly job?: string | undefined
}

const titles: Readonly<Record<string, string>> = {
  Unauthorized: "You are not logged in",
  Refused: "This console does not do that",
  NotFound: "It is not there",
  SnapshotGone: "This look is no longer kept",
  Busy: "A job runs on this queue",
  Invalid: "It cannot be done like this",
  ExportFirst: "Export them first",
  NotAvailable: "This console was started without it",
  BrokerFailed: "The broker did not answer as hoped",
  HttpClientError: "The console's server does not answer"
}

const advice: Readonly<Record<string, string>> = {
  Unauthorized: "Open the link that `eventbus console` printed when it started. Each start has a new one.",
  HttpClientError: "Is `eventbus console` still running? The page tries again every two seconds."
}

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every(Predicate.isString)

const isIssues = (value: unknown): value is ReadonlyArray<Issue> =>
  Array.isArray(value) &&
  value.every((item) => Predicate.hasProperty(item, "path") && Predicate.hasProperty(item, "message"))

/** Describes an error of any kind. */
export const problemOf = (error: unknown): Problem => {
  const tag = Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? error._tag : "Error"
  const text = error instanceof Error && error.message !== "" ? error.message : String(error)
  return {
    tag,
    title: titles[tag] ?? "Something went wrong",
    message: tag === "HttpClientError" ? (advice[tag] ?? text) : text === tag ? (advice[tag] ?? text) : text,
    similar: Predicate.hasProperty(error, "similar") && isTexts(error.similar) ? error.similar : [],
    issues: Predicate.hasProperty(error, "issues") && isIssues(error.issues) ? error.issues : [],
    job: Predicate.hasProperty(error, "job") && Predicate.isString(error.job) ? error.job : undefined
  }
}
