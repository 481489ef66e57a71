/**
 * Why RabbitMQ's management API could not be used.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const id = (name: string) => `@effect-eventbus/inspect/ManagementError/${name}`

/**
 * The URL of the management API is not an HTTP URL.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidUrl extends Schema.TaggedError<InvalidUrl>(id("InvalidUrl"))("InvalidUrl", {}) {
  override get message(): string {
    return "The management API (RABBITMQ_MANAGEMENT_URL) needs an http:// or https:// URL, such as http://localhost:15672"
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The management API could not be reached, or did not answer in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoAnswer extends Schema.TaggedError<NoAnswer>(id("NoAnswer"))("NoAnswer", {
  /** `host:port`, never a user or password. */
  address: Schema.String
}) {
  override get message(): string {
    return `The management API at ${this.address} does not answer`
  }
  get isRetryable(): boolean {
    return true
  }
}

/** The words of the management API about a refusal, if there are any. */
const Detail = Schema.optional(Schema.String)

const because = (detail: string | undefined): string => (detail === undefined ? "" : `: ${detail}`)

/**
 * The management API rejects the login.
 *
 * @category errors
 * @since 0.1.0
 */
export class LoginRejected extends Schema.TaggedError<LoginRejected>(id("LoginRejected"))("LoginRejected", {
  address: Schema.String,
  username: Schema.String,
  detail: Detail
}) {
  override get message(): string {
    return `The management API at ${this.address} rejects the login of "${this.username}"${because(this.detail)}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The management API answered with something other than the expected JSON.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnexpectedAnswer extends Schema.TaggedError<UnexpectedAnswer>(id("UnexpectedAnswer"))("UnexpectedAnswer", {
  address: Schema.String,
  path: Schema.String,
  status: Schema.Finite,
  detail: Detail
}) {
  override get message(): string {
    const answer = this.status === 200 ? "an unknown format" : `status ${this.status}`
    return `The management API at ${this.address} answered ${this.path} with ${answer}${because(this.detail)}`
  }
  get isRetryable(): boolean {
    return this.status >= 500
  }
}

/**
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([InvalidUrl, NoAnswer, LoginRejected, UnexpectedAnswer])

/**
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A question that the management API did not answer. `reason` says why, and
 * `isRetryable` whether asking again may help.
 *
 * @category errors
 * @since 0.1.0
 */
export class ManagementError extends Schema.TaggedError<ManagementError>("@effect-eventbus/inspect/ManagementError")(
  "ManagementError",
  { reason: Reason }
) {
  override get message(): string {
    return this.reason.message
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
}
