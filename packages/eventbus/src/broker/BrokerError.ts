/**
 * Why a broker could not do what it was asked, other than publish.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const id = (name: string) => `effect-eventbus/BrokerError/${name}`

/**
 * No connection could be made, or it was lost on the way. Time may cure it.
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
 * The broker did not answer in time. Time may cure it.
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
 * The broker refuses the login. Someone has to change the credentials.
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
 * The certificate is not one to trust, or not one of that host. Someone has to
 * change a certificate or an address.
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
 * The virtual host is not there, or not for this user.
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
 * The user may not do this. Someone has to grant a permission.
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
 * What an argument of a queue can be; `undefined` where it has none.
 *
 * @category errors
 * @since 0.1.0
 */
export const Argument = Schema.UndefinedOr(Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))

/**
 * What an argument of a queue can be; `undefined` where it has none.
 *
 * @category errors
 * @since 0.1.0
 */
export type Argument = typeof Argument.Type

/**
 * What exists on the broker was declared with other arguments. Nothing was
 * changed: delete it there, or subscribe in the way it was declared.
 *
 * @category errors
 * @since 0.1.0
 */
export class TopologyMismatch extends Schema.TaggedError<TopologyMismatch>(id("TopologyMismatch"))("TopologyMismatch", {
  /** The queue, or what else differs. */
  name: Schema.String,
  /** The argument that differs, as the broker names it. */
  argument: Schema.String,
  wanted: Argument,
  current: Argument
}) {
  override get message(): string {
    const difference = `it has ${this.current ?? "none"}, this subscription wants ${this.wanted ?? "none"}`
    return `"${this.name}" exists with another ${this.argument}: ${difference}. Delete it, or take another name`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * Something that should be there is not, and this user was not asked to make it.
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
 * A queue that would not stand being looked at: it was declared in a way by which its
 * messages would get lost. Nothing was taken out of it.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotBrowsable extends Schema.TaggedError<NotBrowsable>(id("NotBrowsable"))("NotBrowsable", {
  name: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `"${this.name}" would not stand being looked at: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * Anything else the broker said.
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
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  ConnectionFailed,
  TimedOut,
  AuthenticationFailed,
  CertificateRejected,
  VhostNotFound,
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
 * The broker could not be reached, or could not do what it was asked. `reason`
 * says which; `isRetryable` says whether time may cure it.
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
 * A subscription could not start. It is only ever a failure of the start: what
 * breaks later is recovered from.
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
