/**
 * The errors with which the server of the console refuses a request. Each message says
 * what to do.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const id = <Name extends string>(name: Name) => `@effect-eventbus/console/ConsoleError/${name}` as const

/**
 * The request is not from someone who is logged in.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>(id("Unauthorized"))(
  "Unauthorized",
  { message: Schema.String },
  { httpApiStatus: 401 }
) {}

/**
 * The console does not do this: it is read-only, hides bodies, or the request comes from
 * another site.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Schema.TaggedError<Refused>(id("Refused"))(
  "Refused",
  {
    reason: Schema.Literals(["read-only", "bodies-hidden", "cross-site", "no-header", "access"]),
    message: Schema.String
  },
  { httpApiStatus: 403 }
) {}

/**
 * A queue, a dead letter, a job or a scheduled event does not exist.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>(id("NotFound"))(
  "NotFound",
  {
    what: Schema.Literals(["queue", "dead-letter", "job", "event", "subscription"]),
    name: Schema.String,
    /** Names of the same kind that look alike, the likeliest first. */
    similar: Schema.Array(Schema.String),
    message: Schema.String
  },
  { httpApiStatus: 404 }
) {}

/**
 * A snapshot is no longer kept. Look again.
 *
 * @category errors
 * @since 0.1.0
 */
export class SnapshotGone extends Schema.TaggedError<SnapshotGone>(id("SnapshotGone"))(
  "SnapshotGone",
  { message: Schema.String },
  { httpApiStatus: 410 }
) {}

/**
 * A job runs on the queue already.
 *
 * @category errors
 * @since 0.1.0
 */
export class Busy extends Schema.TaggedError<Busy>(id("Busy"))(
  "Busy",
  { queue: Schema.String, job: Schema.String, message: Schema.String },
  { httpApiStatus: 409 }
) {}

/**
 * A problem of what was sent, with its place: the members that lead to it in an edited
 * payload, or the line of an import.
 *
 * @category models
 * @since 0.1.0
 */
export const Issue = Schema.Struct({
  /** The members and indexes that lead to the problem; empty for the whole. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
  /** The line of an import, from 1. */
  line: Schema.optional(Schema.Int),
  message: Schema.String
})

/**
 * The type of an issue.
 *
 * @category models
 * @since 0.1.0
 */
export type Issue = typeof Issue.Type

/**
 * The request cannot be carried out as it is.
 *
 * @category errors
 * @since 0.1.0
 */
export class Invalid extends Schema.TaggedError<Invalid>(id("Invalid"))(
  "Invalid",
  { issues: Schema.Array(Issue), message: Schema.String },
  { httpApiStatus: 422 }
) {}

/**
 * Too many dead letters to keep for an undo: they must be exported before they are
 * discarded.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExportFirst extends Schema.TaggedError<ExportFirst>(id("ExportFirst"))(
  "ExportFirst",
  { count: Schema.Int, bytes: Schema.Int, message: Schema.String },
  { httpApiStatus: 428 }
) {}

/**
 * The console was started without what this needs, such as a module or a database.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAvailable extends Schema.TaggedError<NotAvailable>(id("NotAvailable"))(
  "NotAvailable",
  { message: Schema.String },
  { httpApiStatus: 501 }
) {}

/**
 * The broker, or the database of the outbox, failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class BrokerFailed extends Schema.TaggedError<BrokerFailed>(id("BrokerFailed"))(
  "BrokerFailed",
  {
    /** The tag of the reason, such as `Disconnected` or `NotBrowsable`. */
    reason: Schema.String,
    isRetryable: Schema.Boolean,
    message: Schema.String
  },
  { httpApiStatus: 502 }
) {}
