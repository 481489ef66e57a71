/**
 * The errors of all broker operations but publishing.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const id = (name: string) => `effect-eventbus/BrokerError/${name}`

/**
 * A connection that could not be made, or that was lost. A retry may succeed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectionFailed extends Schema.TaggedError<ConnectionFailed>(id("ConnectionFailed"))("ConnectionFailed", {
  /** `host:port`, never a user or password. */
  address: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `No connection to ${this.address}: ${this.detail}`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * An operation that the broker did not answer in time. A retry may succeed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TimedOut extends Schema.TaggedError<TimedOut>(id("TimedOut"))("TimedOut", {
  operation: Schema.String,
  millis: Schema.Finite
}) {
  override get message(): string {
    return `${this.operation}: no answer within ${this.millis} ms`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * A login that the broker refuses. Change the credentials.
 *
 * @category errors
 * @since 0.1.0
 */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>(id("AuthenticationFailed"))(
  "AuthenticationFailed",
  { address: Schema.String, username: Schema.String }
) {
  override get message(): string {
    return `${this.address} refuses the login of "${this.username}": check the user name and the password`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A certificate that is not trusted, or that belongs to another host. Change the
 * certificate or the address.
 *
 * @category errors
 * @since 0.1.0
 */
export class CertificateRejected extends Schema.TaggedError<CertificateRejected>(id("CertificateRejected"))(
  "CertificateRejected",
  { address: Schema.String, detail: Schema.String }
) {
  override get message(): string {
    return `The certificate of ${this.address} is rejected: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A connection on which both sides cannot agree on TLS: the port is not one of TLS, or
 * the versions, the ciphers or the key do not fit. A certificate that is not accepted is
 * a `CertificateRejected`.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsFailed extends Schema.TaggedError<TlsFailed>(id("TlsFailed"))("TlsFailed", {
  address: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `No TLS with ${this.address}: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A virtual host that does not exist, or that this user has no access to.
 *
 * @category errors
 * @since 0.1.0
 */
export class VhostNotFound extends Schema.TaggedError<VhostNotFound>(id("VhostNotFound"))("VhostNotFound", {
  address: Schema.String,
  vhost: Schema.String
}) {
  override get message(): string {
    return `${this.address} has no virtual host "${this.vhost}" for this user: create it, or grant access to it`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A connection that allows fewer channels than the bus needs. Raise `channel_max`.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooFewChannels extends Schema.TaggedError<TooFewChannels>(id("TooFewChannels"))("TooFewChannels", {
  address: Schema.String,
  allowed: Schema.Finite,
  needed: Schema.Finite
}) {
  override get message(): string {
    const { address, allowed, needed } = this
    return `${address} allows a connection ${allowed} channels, and the bus needs ${needed}: raise channel_max in RabbitMQ or in the URL`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * An operation that this user may not do. Grant the permission.
 *
 * @category errors
 * @since 0.1.0
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>(id("PermissionDenied"))("PermissionDenied", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.operation}: permission denied (${this.detail})`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The schema of a queue's argument. `undefined`: the queue does not have it.
 *
 * @category errors
 * @since 0.1.0
 */
export const Argument = Schema.UndefinedOr(Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))

/**
 * The value of a queue's argument. `undefined`: the queue does not have it.
 *
 * @category errors
 * @since 0.1.0
 */
export type Argument = typeof Argument.Type

/**
 * A queue or exchange that exists with other arguments. It was not changed. Delete it
 * on the broker, or subscribe with the arguments that it has.
 *
 * @category errors
 * @since 0.1.0
 */
export class TopologyMismatch extends Schema.TaggedError<TopologyMismatch>(id("TopologyMismatch"))("TopologyMismatch", {
  /** The name of the queue or exchange that differs. */
  name: Schema.String,
  /** The argument that differs, as the broker names it. */
  argument: Schema.String,
  wanted: Argument,
  current: Argument
}) {
  override get message(): string {
    const difference = `it has ${this.current ?? "none"}, this subscription wants ${this.wanted ?? "none"}`
    return `"${this.name}" exists with another ${this.argument}: ${difference}. Delete it, or use another name`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A queue, an exchange or a dead letter that does not exist. It was not created.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>(id("NotFound"))("NotFound", {
  name: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `"${this.name}" does not exist (${this.detail})`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A queue that cannot be browsed, because it was declared in a way that would lose
 * messages. Nothing was taken out of it.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotBrowsable extends Schema.TaggedError<NotBrowsable>(id("NotBrowsable"))("NotBrowsable", {
  name: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `"${this.name}" cannot be browsed: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * Any other refusal by the broker.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Schema.TaggedError<Refused>(id("Refused"))("Refused", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.operation}: ${this.detail}`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * The schema of every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  ConnectionFailed,
  TimedOut,
  AuthenticationFailed,
  CertificateRejected,
  TlsFailed,
  VhostNotFound,
  TooFewChannels,
  PermissionDenied,
  TopologyMismatch,
  NotFound,
  NotBrowsable,
  Refused
])

/**
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A failed broker operation. `reason` says why it failed, and `isRetryable` whether a
 * retry may succeed.
 *
 * @category errors
 * @since 0.1.0
 */
export class BrokerError extends Schema.TaggedError<BrokerError>("effect-eventbus/BrokerError")("BrokerError", {
  reason: Reason
}) {
  override get message(): string {
    return this.reason.message
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
}

/**
 * A subscription that could not start. Only the start can fail: a running subscription
 * recovers from failures.
 *
 * @category errors
 * @since 0.1.0
 */
export class SubscribeError extends Schema.TaggedError<SubscribeError>("effect-eventbus/SubscribeError")(
  "SubscribeError",
  { queue: Schema.String, reason: Reason }
) {
  override get message(): string {
    return `Cannot consume "${this.queue}": ${this.reason.message}`
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
}
