/**
 * The errors of publishing.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const id = (name: string) => `effect-eventbus/PublishError/${name}`

/**
 * An event that the broker refused, because a queue is full or is electing a leader.
 * Other queues may have stored the event, and so may a queue that has lost its leader
 * meanwhile.
 *
 * @category errors
 * @since 0.1.0
 */
export class Nacked extends Schema.TaggedError<Nacked>(id("Nacked"))("Nacked", { routingKey: Schema.String }) {
  override get message(): string {
    return `the broker refused it under "${this.routingKey}": a queue is full or has no leader`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * An event that was not sent, because the broker took no events within the publish
 * timeout: an alarm blocked it, or a queue in memory was full.
 *
 * @category errors
 * @since 0.1.0
 */
export class Blocked extends Schema.TaggedError<Blocked>(id("Blocked"))("Blocked", {
  detail: Schema.String,
  millis: Schema.Finite
}) {
  override get message(): string {
    return `the broker has taken no events for ${this.millis} ms (${this.detail})`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * An event that was not sent, because there was no connection within the publish
 * timeout.
 *
 * @category errors
 * @since 0.1.0
 */
export class Disconnected extends Schema.TaggedError<Disconnected>(id("Disconnected"))("Disconnected", {
  detail: Schema.String,
  millis: Schema.Finite
}) {
  override get message(): string {
    return `no connection for ${this.millis} ms (${this.detail})`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * An event that was sent but not confirmed: no confirm came within the publish timeout,
 * or it was lost with the connection. The event may have landed. Publishing it again
 * may make a duplicate with the same event id. `detail` says what became of the
 * confirm, unless it is just late.
 *
 * @category errors
 * @since 0.1.0
 */
export class Timeout extends Schema.TaggedError<Timeout>(id("Timeout"))("Timeout", {
  millis: Schema.Finite,
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const { detail = `its confirm never came (in ${this.millis} ms)` } = this
    return `it was sent and ${detail}, so it may or may not have landed`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * An event that no queue is bound for. An error only with `unroutable: "fail"`.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unroutable extends Schema.TaggedError<Unroutable>(id("Unroutable"))("Unroutable", {
  routingKey: Schema.String,
  /** The truth of an earlier sending whose confirm was lost: it may have landed. */
  earlier: Schema.optionalKey(Timeout)
}) {
  override get message(): string {
    return `no queue is bound for the routing key "${this.routingKey}"`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * An event that was not sent, because its body is over the limit.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooLarge extends Schema.TaggedError<TooLarge>(id("TooLarge"))("TooLarge", {
  bytes: Schema.Finite,
  limit: Schema.Finite
}) {
  override get message(): string {
    return `its body has ${this.bytes} bytes, the limit is ${this.limit}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * An event that was not sent, because the schema of its type refuses its payload, or
 * because one of its fields is invalid, such as a trace id that is not a UUID.
 *
 * @category errors
 * @since 0.1.0
 */
export class EncodeFailed extends Schema.TaggedError<EncodeFailed>(id("EncodeFailed"))("EncodeFailed", {
  detail: Schema.String
}) {
  override get message(): string {
    return `it cannot be encoded: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * An event that was not stored, because the user may not publish to the exchange.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotPermitted extends Schema.TaggedError<NotPermitted>(id("NotPermitted"))("NotPermitted", {
  detail: Schema.String
}) {
  override get message(): string {
    return `not permitted: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * An event that the broker refused for another reason, in its own words. Not stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Schema.TaggedError<Refused>(id("Refused"))("Refused", { detail: Schema.String }) {
  override get message(): string {
    return `the broker refused it: ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The schema of every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  Unroutable,
  Nacked,
  Blocked,
  Disconnected,
  Timeout,
  TooLarge,
  EncodeFailed,
  NotPermitted,
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
 * A failed publish. `reason` says why it failed, and `isRetryable` whether a retry may
 * succeed. After a `Timeout`, the event may have landed all the same.
 *
 * @category errors
 * @since 0.1.0
 */
export class PublishError extends Schema.TaggedError<PublishError>("effect-eventbus/PublishError")("PublishError", {
  eventId: Schema.String,
  eventType: Schema.String,
  reason: Reason
}) {
  override get message(): string {
    return `The event ${this.eventId} (${this.eventType}) was not published: ${this.reason.message}`
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
}
