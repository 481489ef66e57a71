/**
 * Converts envelopes to AMQP messages, and back.
 *
 * Headers are written from an allow-list: headers of other clients (`CC`, `x-death`, deep
 * tables) must not influence what we publish. Only the attributes of a CloudEvent are kept
 * as they came. Incoming headers are read by their own keys, as scalars, cut to a length.
 *
 * @since 0.1.0
 */

import { randomUUID } from "node:crypto"
import type { ConsumeMessage, MessageProperties, Options } from "amqplib"
import type { Content, Envelope, Origin } from "effect-eventbus/Envelope"
import * as Fault from "effect-eventbus/Fault"
import * as IsoTime from "effect-eventbus/IsoTime"
import * as Priority from "effect-eventbus/Priority"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as CloudEventHeaders from "./cloudEventHeaders.ts"
import * as WaitName from "./WaitName.ts"

/**
 * The AMQP priorities. A quorum queue of RabbitMQ 4 treats all above 4 as urgent; a
 * classic queue distinguishes all of them.
 */
const priorities: Readonly<Record<Priority.Priority, number>> = { low: 1, normal: 4, high: 7, critical: 9 }

/**
 * The highest priority, with which a queue with priorities is declared.
 *
 * @category constructors
 * @since 0.1.0
 */
export const maxPriority = 10

const priorityFrom = (value: unknown): Priority.Priority =>
  typeof value === "number" ? (Priority.all.find((name) => value <= priorities[name]) ?? "critical") : "normal"

/** Returns the priority of another client's message where it is none of ours, and 0 is not the same as no priority. */
const foreignPriority = (value: unknown): number | "none" | undefined => {
  const level = count(value, 255)
  if (level === undefined) return "none"
  return level === priorities[priorityFrom(level)] ? undefined : level
}

const maxMessage = 2048
const maxStack = 8192
/** All properties together have fewer bytes than this, including those of a fault, but for the attributes of a CloudEvent. */
const maxProperties = 16 * 1024
/** amqplib writes all properties of a message into a buffer of this size. */
const maxBuffer = 64 * 1024
/** The headers of a fault that may be cut, in this order. */
const cuttable = ["eb-stack", "eb-message"]

/** The content type of messages that the bus itself publishes. */
const plain = "application/json"

type Headers = Record<string, string | number | undefined>

/**
 * Headers that steer a message through exchanges.
 *
 * @category models
 * @since 0.1.0
 */
export type ExtraHeaders = Readonly<Record<string, string | number>>

/**
 * The headers of a first publish. One object is reused, because amqplib makes a
 * prototype of it, which costs more than everything else for a new object. amqplib
 * leaves out undefined values, and has read all of them when `publish` returns.
 */
const published: Headers = { traceparent: undefined, "eb-version": undefined }

/** Returns the headers of a delayed message. */
const delayedHeaders = ({ dueAt, traceparent, version }: Envelope, extra: ExtraHeaders): Headers => ({
  ...extra,
  traceparent,
  "eb-version": version,
  "eb-due-at": dueAt
})

/** Returns the headers of a message that moves between queues: everything that would be lost otherwise. */
const movedHeaders = (envelope: Envelope, origin: Origin): Headers => {
  const { fault } = envelope
  const headers: Headers = {}
  if (envelope.traceparent !== undefined) headers["traceparent"] = envelope.traceparent
  if (envelope.version !== undefined) headers["eb-version"] = envelope.version
  headers["eb-attempt"] = envelope.attempt ?? 1
  if (envelope.dueAt !== undefined) headers["eb-due-at"] = envelope.dueAt
  if (envelope.round > 0) headers["eb-round"] = envelope.round
  headers["eb-routing-key"] = short(envelope.routingKey)
  if (origin.exchange !== undefined) headers["eb-exchange"] = short(origin.exchange)
  headers["eb-queue"] = short(origin.queue)
  if (envelope.key !== undefined) headers["eb-key"] = short(envelope.key)
  if (envelope.behind !== undefined) headers["eb-behind"] = short(envelope.behind)
  if (envelope.place !== undefined) headers["eb-place"] = envelope.place
  if (fault === undefined) return headers
  headers["eb-reason"] = short(fault.reason)
  headers["eb-message"] = short(fault.message, maxMessage)
  if (fault.stack !== undefined) headers["eb-stack"] = short(fault.stack, maxStack)
  headers["eb-fingerprint"] = short(fault.fingerprint)
  if (fault.host !== undefined) headers["eb-host"] = short(fault.host)
  headers["eb-attempts"] = fault.attempts
  headers["eb-first-failed-at"] = IsoTime.format(fault.firstFailedAt)
  headers["eb-last-failed-at"] = IsoTime.format(fault.lastFailedAt)
  return headers
}

/**
 * The properties of a message. It is a class for the same reason as `Message`.
 *
 * @category models
 * @since 0.1.0
 */
export class Properties implements Options.Publish {
  readonly mandatory = true
  readonly contentType?: string
  readonly persistent: boolean
  readonly messageId: string
  readonly priority?: number
  readonly contentEncoding?: string
  readonly type?: string
  readonly appId?: string
  readonly correlationId?: string
  declare readonly replyTo?: string
  readonly timestamp?: number
  readonly expiration?: number
  private readonly version: number | undefined
  private readonly traceparent: string | undefined
  /** Whether another service decides how large the headers are. */
  private readonly isForeign: boolean
  private readonly moved: Headers | undefined

  constructor(envelope: Envelope, messageId: string, extra?: ExtraHeaders) {
    const { content, origin, replyTo, source, timestamp, traceId, ttl, type } = envelope
    if (content === undefined) this.contentType = plain
    else if (content.type !== undefined) this.contentType = short(content.type)
    this.persistent = envelope.persistent
    this.messageId = messageId
    const level = envelope.foreignPriority ?? priorities[envelope.priority]
    if (level !== "none") this.priority = level
    this.version = envelope.version
    this.traceparent = envelope.traceparent
    if (extra !== undefined) this.moved = delayedHeaders(envelope, extra)
    else this.moved = origin === undefined ? undefined : movedHeaders(envelope, origin)
    this.isForeign = envelope.attributes !== undefined
    if (envelope.attributes !== undefined) {
      const { traceparent, version } = envelope
      this.moved = {
        ...CloudEventHeaders.write(envelope.attributes),
        ...(this.moved ?? { traceparent, "eb-version": version })
      }
    }
    if (content?.encoding !== undefined) this.contentEncoding = short(content.encoding)
    if (type !== undefined) this.type = short(type)
    if (source !== undefined) this.appId = short(source)
    // A requester knows its reply by it; of an event that asks for none, it is the trace.
    const correlationId = envelope.correlationId ?? (replyTo === undefined ? traceId : undefined)
    if (correlationId !== undefined) this.correlationId = short(correlationId)
    if (replyTo !== undefined) this.replyTo = short(replyTo)
    // AMQP counts timestamps in seconds.
    if (timestamp !== undefined && timestamp >= 0) this.timestamp = Math.floor(timestamp / 1000)
    if (ttl !== undefined) this.expiration = Math.min(ttl, 2 ** 32 - 1)
  }

  /**
   * Cuts the texts of a fault so that the properties fit, and returns whether they do.
   * AMQP sends all properties of a message in one frame. Without a fault and without the
   * attributes of a CloudEvent they are far smaller than any frame.
   */
  fit(room: number): boolean {
    const { moved } = this
    if (moved === undefined || (room >= maxProperties && !this.isForeign)) return true
    let excess = this.size - Math.min(room, maxBuffer)
    for (const key of cuttable) {
      const value = moved[key]
      if (excess <= 0 || typeof value !== "string") continue
      const bytes = Buffer.byteLength(value)
      moved[key] = cut(value, bytes - excess)
      excess -= bytes - Buffer.byteLength(moved[key])
    }
    return excess <= 0
  }

  /** The largest number of bytes that the properties take up in their frame. */
  private get size(): number {
    const { appId, contentEncoding, contentType, correlationId, messageId, replyTo, type } = this
    const texts = [appId, contentEncoding, contentType, correlationId, messageId, replyTo, type]
    let bytes = fixedProperties
    for (const text of texts) bytes += 1 + Buffer.byteLength(text ?? "")
    const { headers } = this
    for (const key in headers) {
      const value = headers[key]
      if (value !== undefined) bytes += key.length + (typeof value === "string" ? 6 + Buffer.byteLength(value) : 10)
    }
    return bytes
  }

  /** Read it at once: the next message may reuse the object. */
  get headers(): Headers {
    if (this.moved !== undefined) return this.moved
    published["traceparent"] = this.traceparent
    published["eb-version"] = this.version
    return published
  }
}

/**
 * An envelope as it is published.
 *
 * It is a class to help the garbage collector. When most objects of a literal survive
 * a collection, because they wait for a confirm, V8 allocates all of them as old, and
 * everything that they refer to gets old, too. With a thousand messages in flight,
 * garbage collection paused three times as long.
 *
 * @category models
 * @since 0.1.0
 */
export class Message {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly properties: Properties

  constructor(exchange: string, routingKey: string, envelope: Envelope, extra?: ExtraHeaders) {
    const { body } = envelope
    this.exchange = exchange
    this.routingKey = routingKey
    this.content = Buffer.from(body.buffer, body.byteOffset, body.length)
    this.properties = new Properties(envelope, envelope.id ?? randomUUID(), extra)
  }
}

/**
 * The bytes of the class, weight, body size and flags, of the length of the headers,
 * and of the delivery mode, priority, timestamp and expiration.
 */
const fixedProperties = 14 + 4 + 1 + 1 + 8 + 11

/** Returns the beginning of a text, without half a character at its end. */
const cut = (value: string, maxBytes: number): string => {
  const bytes = Buffer.from(value)
  let end = Math.max(0, Math.min(maxBytes, bytes.length))
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString("utf8", 0, end)
}

/** Cuts a text to the 255 bytes of an AMQP short string. A character takes at most three bytes for each code unit. */
const short = (value: string, maxBytes = 255): string =>
  Buffer.byteLength(value) <= maxBytes ? value : value.slice(0, Math.floor(maxBytes / 3))

const own = (table: unknown, key: string): unknown =>
  typeof table === "object" && table !== null && Object.hasOwn(table, key) ? Reflect.get(table, key) : undefined

const text = (value: unknown, maxLength = 255): string | undefined =>
  typeof value === "string" && value !== "" ? value.slice(0, maxLength) : undefined

/** Whether headers contain more than a publisher writes. */
const saysMore = (table: unknown): boolean => {
  if (typeof table !== "object") return false
  for (const key in table) if (key !== "eb-version" && key !== "traceparent") return true
  return false
}

const count = (value: unknown, most: number): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most ? value : undefined

/** Converts a timestamp of 64 bits, if it is in the range of dates. */
const millisFrom = (seconds: unknown): number | undefined => {
  const whole = count(seconds, 8.64e12)
  return whole === undefined ? undefined : whole * 1000
}

/** Returns the declared format of a body, or `undefined` if it is the format of the bus. */
const contentOf = ({ contentEncoding, contentType }: MessageProperties): Content | undefined =>
  contentType === plain && contentEncoding === undefined
    ? undefined
    : { type: text(contentType), encoding: text(contentEncoding) }

/** The reason for which the broker moved a message out of a queue. */
interface Death {
  readonly reason: string
  readonly queue: string | undefined
  readonly exchange: string | undefined
  readonly routingKey: string | undefined
  /** Milliseconds since 1970. */
  readonly time: number | undefined
}

/** Returns whether a death is the end of a wait. Not every queue with a name like a wait queue's is one. */
const isEndOfWait = ({ exchange, queue, reason, routingKey }: Death): boolean =>
  reason === "expired" &&
  queue !== undefined &&
  queue === routingKey &&
  exchange !== undefined &&
  WaitName.isOne(queue, exchange)

const readDeath = (entry: unknown): Death | undefined => {
  const reason = text(own(entry, "reason"))
  if (reason === undefined) return undefined
  const keys = own(entry, "routing-keys")
  return {
    reason,
    queue: text(own(entry, "queue")),
    exchange: text(own(entry, "exchange")),
    routingKey: Array.isArray(keys) ? text(keys[0]) : undefined,
    time: millisFrom(own(own(entry, "time"), "value"))
  }
}

/** Returns the latest death that is not the end of a wait. */
const deathOf = (headers: unknown): Death | undefined => {
  const entries = own(headers, "x-death")
  if (!Array.isArray(entries)) return undefined
  for (const entry of entries) {
    const death = readDeath(entry)
    if (death === undefined || !isEndOfWait(death)) return death
  }
  return undefined
}

/**
 * Returns the origin. A message that was retried before it died reached its last queue
 * through another exchange than its first.
 */
const originOf = (headers: unknown, death: Death | undefined): Origin | undefined => {
  const queue = death?.queue ?? text(own(headers, "eb-queue"))
  return queue === undefined ? undefined : { queue, exchange: text(own(headers, "eb-exchange")) ?? death?.exchange }
}

const brokerSays: Readonly<Record<string, string>> = {
  expired: "the event waited longer than its time to live",
  delivery_limit:
    "it was given back too often: each time its consumer was lost, took longer than the consumer_timeout, or asked for it",
  rejected: "a consumer rejected it",
  maxlen: "its queue was full"
}

const faultOf = (
  headers: unknown,
  type: string | undefined,
  death: Death | undefined,
  isDead: boolean,
  now: () => number
): Fault.Fault | undefined => {
  const reason = text(own(headers, "eb-reason"))
  const at = (key: string) => IsoTime.parse(text(own(headers, key)) ?? "") ?? now()
  const message = text(own(headers, "eb-message"), maxMessage) ?? ""
  const stack = text(own(headers, "eb-stack"), maxStack)
  const ours =
    reason === undefined
      ? undefined
      : {
          reason,
          message,
          stack,
          // Dead letters of an older version get a fingerprint. Consumers of live queues must not spend time on that.
          fingerprint:
            text(own(headers, "eb-fingerprint")) ??
            (isDead ? Fault.make({ reason, message, stack, attempts: 0, now: now(), type }).fingerprint : ""),
          host: text(own(headers, "eb-host")),
          attempts: count(own(headers, "eb-attempts"), maxAttempt) ?? 0,
          firstFailedAt: at("eb-first-failed-at"),
          lastFailedAt: at("eb-last-failed-at")
        }
  if (death === undefined) return ours
  const attempts = (count(own(headers, "eb-attempt"), maxAttempt) ?? 1) - 1
  return Fault.make({
    reason: death.reason,
    message: brokerSays[death.reason] ?? "the broker says no more",
    attempts,
    now: death.time ?? now(),
    type,
    previous: ours
  })
}

/** Returns how often a quorum queue has put a message back, or lost its consumer. */
export const returnsOf = ({ properties }: ConsumeMessage): number =>
  count(own(properties.headers, "x-delivery-count"), maxAttempt) ?? 0

/** The largest counter that is read from headers, which may be forged. */
const maxAttempt = 1_000_000
/** The largest place of a dead letter. */
const maxPlace = 2 ** 40

/**
 * Reads the envelope of a delivered message.
 *
 * @category decoding
 * @since 0.1.0
 */
export const toEnvelope = (
  { content, fields, properties }: ConsumeMessage,
  queue: string,
  now: () => number
): Envelope => {
  const table: unknown = properties.headers
  // Most come from their publishers, so there is no more to be read in them.
  const headers = saysMore(table) ? table : undefined
  const isDead = QueueSpec.isDeadLetterQueue(queue)
  const death = isDead ? deathOf(headers) : undefined
  const attempt = count(own(headers, "eb-attempt"), maxAttempt)
  const traceparent = text(own(table, "traceparent"))
  const id = text(properties.messageId)
  const type = text(properties.type)
  const readAs = contentOf(properties)
  const dueAt = count(own(headers, "eb-due-at"), 8.64e15)
  const replyTo = text(properties.replyTo)
  const correlationId = text(properties.correlationId)
  const level = foreignPriority(properties.priority)
  const attributes = headers === undefined ? undefined : CloudEventHeaders.read(headers)
  const envelope: Envelope = {
    // What is not UTF-8 grows when it is read, and it has to go out again.
    id: id === undefined ? undefined : short(id),
    type,
    version: count(own(table, "eb-version"), 2 ** 31),
    routingKey: text(own(headers, "eb-routing-key")) ?? death?.routingKey ?? fields.routingKey,
    body: content,
    timestamp: millisFrom(properties.timestamp),
    source: text(properties.appId),
    traceId: replyTo === undefined ? correlationId : undefined,
    priority: priorityFrom(properties.priority),
    ttl: undefined,
    persistent: properties.deliveryMode === 2,
    traceparent: traceparent !== undefined && /^[0-9a-f-]{55}$/.test(traceparent) ? traceparent : undefined,
    round: count(own(headers, "eb-round"), maxAttempt) ?? 0,
    // What the broker itself dead-lettered carries the attempt of the queue that it died in.
    attempt: death !== undefined ? 1 : attempt === 0 ? undefined : attempt,
    origin: originOf(headers, death),
    fault: faultOf(headers, type, death, isDead, now)
  }
  // The default exchange brings what was sent to a queue by its name, as a reply is.
  const mayReply = replyTo !== undefined || fields.exchange === ""
  const key = text(own(headers, "eb-key"))
  const hasMore = readAs !== undefined || dueAt !== undefined || level !== undefined || attributes !== undefined
  if (!hasMore && !mayReply && key === undefined) return envelope
  return {
    ...envelope,
    ...(readAs === undefined ? {} : { content: readAs }),
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(level === undefined ? {} : { foreignPriority: level }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(key === undefined
      ? {}
      : { key, behind: text(own(headers, "eb-behind")), place: count(own(headers, "eb-place"), maxPlace) }),
    ...(mayReply ? { replyTo, correlationId } : {})
  }
}

/**
 * Returns the envelope without the properties that another service has set, for when
 * they cannot be sent again.
 *
 * @category combinators
 * @since 0.1.0
 */
export const bare = (envelope: Envelope): Envelope => ({
  ...envelope,
  id: undefined,
  type: undefined,
  version: undefined,
  timestamp: undefined,
  source: undefined,
  traceId: undefined,
  traceparent: undefined,
  ...(envelope.attributes === undefined ? {} : { attributes: undefined }),
  ...(envelope.replyTo === undefined && envelope.correlationId === undefined
    ? {}
    : { replyTo: undefined, correlationId: undefined }),
  // No declared format is better than a wrong one.
  ...(envelope.content === undefined ? {} : { content: { type: undefined, encoding: undefined } })
})
