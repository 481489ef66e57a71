/**
 * The errors of requests.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"
import * as BrokerError from "../broker/BrokerError.ts"
import * as PublishError from "../broker/PublishError.ts"

const id = (name: string) => `effect-eventbus/RequestError/${name}`

/**
 * A request for which no queue is bound, so nothing can reply to it.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoResponder extends Schema.TaggedError<NoResponder>(id("NoResponder"))("NoResponder", {
  routingKey: Schema.String
}) {
  override get message(): string {
    return `no queue is bound for the routing key "${this.routingKey}": start its responder`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A request to which no reply came within its timeout. It may have been handled, or be
 * handled yet.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoReply extends Schema.TaggedError<NoReply>(id("NoReply"))("NoReply", {
  millis: Schema.Finite,
  /** Whether the broker has stored the request in a queue. */
  delivered: Schema.Boolean
}) {
  override get message(): string {
    const { delivered, millis } = this
    return delivered
      ? `no reply came within ${millis} ms: is its responder running, and fast enough?`
      : `no reply came within ${millis} ms, and the broker has not confirmed the request: it may or may not have landed`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * A request that its responder gave up: its handler died, its policy retried no longer,
 * or it could not decode the request. The request is among the dead letters of the
 * responder, if it has some.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResponderDied extends Schema.TaggedError<ResponderDied>(id("ResponderDied"))("ResponderDied", {
  detail: Schema.String
}) {
  override get message(): string {
    return `its responder gave it up: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A reply that the schemas of the request refuse, or that is no reply at all.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidReply extends Schema.TaggedError<InvalidReply>(id("InvalidReply"))("InvalidReply", {
  /** The problem and its place, never the value itself. */
  detail: Schema.String
}) {
  override get message(): string {
    return `its reply cannot be decoded: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A request that was not sent, because the queue for its reply could not be declared.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoReplyQueue extends Schema.TaggedError<NoReplyQueue>(id("NoReplyQueue"))("NoReplyQueue", {
  reason: BrokerError.Reason
}) {
  override get message(): string {
    return `there is no queue for its reply: ${this.reason.message}`
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
}

/**
 * A request that waited for its reply when the bus was closed.
 *
 * @category errors
 * @since 0.1.0
 */
export class Closed extends Schema.TaggedError<Closed>(id("Closed"))("Closed", {}) {
  override get message(): string {
    return "the bus was closed before its reply came"
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The schema of every reason: those of requests alone, and those of publishing.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  NoResponder,
  NoReply,
  ResponderDied,
  InvalidReply,
  NoReplyQueue,
  Closed,
  PublishError.Reason
])

/**
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A request that was not answered. `reason` says why, and `isRetryable` whether another
 * request may be. The request may have been handled all the same.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestError extends Schema.TaggedError<RequestError>("effect-eventbus/RequestError")("RequestError", {
  eventId: Schema.String,
  eventType: Schema.String,
  reason: Reason
}) {
  override get message(): string {
    return `The request ${this.eventId} (${this.eventType}) was not answered: ${this.reason.message}`
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
}
