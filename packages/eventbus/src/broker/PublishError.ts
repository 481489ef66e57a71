/**
 * Why an event was not, or may not have been, published.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const id = (name: string) => `effect-eventbus/PublishError/${name}`

/**
 * No queue wanted it. Only when asked for by `unroutable: "fail"`.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unroutable extends Schema.TaggedError<Unroutable>(id("Unroutable"))("Unroutable", {
  routingKey: Schema.String
}) {
  override get message(): string {
    return `no queue is bound for the routing key "${this.routingKey}"`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The broker refused it: a queue is full, or is electing a leader. Of several
 * queues, those that did not refuse may have stored it, and so may one that lost
 * its leader meanwhile.
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
 * The broker takes no events (an alarm, or a full queue in memory), and did not
 * within the publish timeout. Not sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class Blocked extends Schema.TaggedError<Blocked>(id("Blocked"))("Blocked", {
  detail: Schema.String,
  millis: Schema.Finite
}) {
  override get message(): string {
    return `the broker takes no events (${this.detail}), for ${this.millis} ms now`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * There was no connection within the publish timeout. Not sent.
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
 * It was sent, and no confirm came within the publish timeout, or its confirm was
 * lost with the connection: it may have landed. Publishing the same event again
 * may make a duplicate with the same event id.
 *
 * @category errors
 * @since 0.1.0
 */
export class Timeout extends Schema.TaggedError<Timeout>(id("Timeout"))("Timeout", { millis: Schema.Finite }) {
  override get message(): string {
    return `it was sent and its confirm never came (in ${this.millis} ms), so it may or may not have landed`
  }
  get isRetryable(): boolean {
    return true
  }
}

/**
 * Its body is over the limit. Not sent.
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
 * Its payload is refused by the schema of its type, or one of its fields is not
 * what every receiver asks for: a trace id that is no UUID, say. Not sent.
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
 * The user may not publish there. Not stored.
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
 * Every reason.
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
  NotPermitted
])

/**
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * An event was not published, or (`Timeout`) may not have been. `reason` says
 * why; `isRetryable` says whether time may cure it.
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
