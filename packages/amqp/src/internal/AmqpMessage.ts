/**
 * An envelope as an AMQP message, and back.
 *
 * Headers go out from an allow-list and are never echoed: what another client
 * put into them (`CC`, `x-death`, deep tables) must not steer what we publish.
 * What comes in is read by own keys, as scalars, cut to a length.
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

/** RabbitMQ 4 takes everything above 4 for urgent; a classic queue tells all of them apart. */
const priorities: Readonly<Record<Priority.Priority, number>> = { low: 1, normal: 4, high: 7, critical: 9 }

/**
 * The highest priority in use: what a queue with priorities is declared with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const maxPriority = 10

const priorityFrom = (value: unknown): Priority.Priority =>
  typeof value === "number" ? (Priority.all.find((name) => value <= priorities[name]) ?? "critical") : "normal"

const maxMessage = 2048
const maxStack = 8192
/** All properties together have fewer bytes than this, whatever they say of a fault. */
const maxProperties = 16 * 1024
/** The headers of a fault that can be cut, in this order. */
const cuttable = ["eb-stack", "eb-message"]

/** The content type of what the bus itself publishes. */
const plain = "application/json"

type Headers = Record<string, string | number | undefined>

/**
 * Headers that say no more than a publisher does. amqplib makes a prototype of what it is given, which costs more than
 * all else where that is new each time. It leaves out what is undefined, and has read it all when `publish` returns.
 */
const published: Headers = { traceparent: undefined, "eb-version": undefined }

/** Returns the headers of a message that moves between queues: all that would otherwise be lost. */
const movedHeaders = (envelope: Envelope, origin: Origin): Headers => {
  const { fault } = envelope
  const headers: Headers = {}
  if (envelope.traceparent !== undefined) headers["traceparent"] = envelope.traceparent
  if (envelope.version !== undefined) headers["eb-version"] = envelope.version
  headers["eb-attempt"] = envelope.attempt ?? 1
  if (envelope.round > 0) headers["eb-round"] = envelope.round
  headers["eb-routing-key"] = short(envelope.routingKey)
  if (origin.exchange !== undefined) headers["eb-exchange"] = short(origin.exchange)
  headers["eb-queue"] = short(origin.queue)
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
 * The properties under which an envelope is published: a class, for the reason that
 * `Message` is one.
 *
 * @category models
 * @since 0.1.0
 */
export class Properties implements Options.Publish {
  readonly mandatory = true
  readonly contentType?: string
  readonly persistent: boolean
  readonly messageId: string
  readonly priority: number
  readonly contentEncoding?: string
  readonly type?: string
  readonly appId?: string
  readonly correlationId?: string
  readonly timestamp?: number
  readonly expiration?: number
  private readonly version: number | undefined
  private readonly traceparent: string | undefined
  private readonly moved: Headers | undefined

  constructor(envelope: Envelope, messageId: string) {
    const { content, origin, source, timestamp, traceId, ttl, type } = envelope
    if (content === undefined) this.contentType = plain
    else if (content.type !== undefined) this.contentType = short(content.type)
    this.persistent = envelope.persistent
    this.messageId = messageId
    this.priority = priorities[envelope.priority]
    this.version = envelope.version
    this.traceparent = envelope.traceparent
    this.moved = origin === undefined ? undefined : movedHeaders(envelope, origin)
    if (content?.encoding !== undefined) this.contentEncoding = short(content.encoding)
    if (type !== undefined) this.type = short(type)
    if (source !== undefined) this.appId = short(source)
    if (traceId !== undefined) this.correlationId = short(traceId)
    // AMQP counts timestamps in seconds.
    if (timestamp !== undefined && timestamp >= 0) this.timestamp = Math.floor(timestamp / 1000)
    if (ttl !== undefined) this.expiration = Math.min(ttl, 2 ** 32 - 1)
  }

  /**
   * Cuts what is said of a fault to what there is room for, and says whether all fits
   * then: AMQP sends the properties of a message in one frame. A publisher's own are
   * far smaller than any frame.
   */
  fit(room: number): boolean {
    const { moved } = this
    if (moved === undefined || room >= maxProperties) return true
    let excess = this.size - room
    for (const key of cuttable) {
      const value = moved[key]
      if (excess <= 0 || typeof value !== "string") continue
      const bytes = Buffer.byteLength(value)
      moved[key] = cut(value, bytes - excess)
      excess -= bytes - Buffer.byteLength(moved[key])
    }
    return excess <= 0
  }

  /** How many bytes it has in its frame, at most. */
  private get size(): number {
    const { appId, contentEncoding, contentType, correlationId, messageId, type } = this
    const texts = [appId, contentEncoding, contentType, correlationId, messageId, type]
    let bytes = fixedProperties
    for (const text of texts) bytes += 1 + Buffer.byteLength(text ?? "")
    const { headers } = this
    for (const key in headers) {
      const value = headers[key]
      if (value !== undefined) bytes += key.length + (typeof value === "string" ? 6 + Buffer.byteLength(value) : 10)
    }
    return bytes
  }

  /** To be read at once: the next message may have the same. */
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
 * It is a class for the garbage collector's sake. Where objects of a literal mostly
 * survive a collection, because they wait to be confirmed, V8 makes all of them old
 * from their start, and what they refer to gets old with them: with a thousand in
 * flight the pauses of a collection were three times as long.
 *
 * @category models
 * @since 0.1.0
 */
export class Message {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly properties: Properties

  constructor(exchange: string, routingKey: string, envelope: Envelope) {
    const { body } = envelope
    this.exchange = exchange
    this.routingKey = routingKey
    this.content = Buffer.from(body.buffer, body.byteOffset, body.length)
    this.properties = new Properties(envelope, envelope.id ?? randomUUID())
  }
}

/** Class, weight, body size and flags; the length of the headers; delivery mode, priority, timestamp and expiration. */
const fixedProperties = 14 + 4 + 1 + 1 + 8 + 11

/** The beginning of a text, without the half of a character at its end. */
const cut = (value: string, maxBytes: number): string => {
  const bytes = Buffer.from(value)
  let end = Math.max(0, Math.min(maxBytes, bytes.length))
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString("utf8", 0, end)
}

/** AMQP's short strings have at most 255 bytes; no character takes more than three a code unit. */
const short = (value: string, maxBytes = 255): string =>
  Buffer.byteLength(value) <= maxBytes ? value : value.slice(0, Math.floor(maxBytes / 3))

const own = (table: unknown, key: string): unknown =>
  typeof table === "object" && table !== null && Object.hasOwn(table, key) ? Reflect.get(table, key) : undefined

const text = (value: unknown, maxLength = 255): string | undefined =>
  typeof value === "string" && value !== "" ? value.slice(0, maxLength) : undefined

/** Whether headers say more of a message than its publisher does. */
const saysMore = (table: unknown): boolean => {
  if (typeof table !== "object") return false
  for (const key in table) if (key !== "eb-version" && key !== "traceparent") return true
  return false
}

const count = (value: unknown, most: number): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most ? value : undefined

/** A timestamp is any 64 bits, of which a date has some. */
const millisFrom = (seconds: unknown): number | undefined => {
  const whole = count(seconds, 8.64e12)
  return whole === undefined ? undefined : whole * 1000
}

/** Returns the declared format of a body, or `undefined` if it is that of the bus itself. */
const contentOf = ({ contentEncoding, contentType }: MessageProperties): Content | undefined =>
  contentType === plain && contentEncoding === undefined
    ? undefined
    : { type: text(contentType), encoding: text(contentEncoding) }

/** The reason of the broker for moving a message out of a queue. */
interface Death {
  readonly reason: string
  readonly queue: string | undefined
  readonly exchange: string | undefined
  readonly routingKey: string | undefined
  /** Milliseconds since 1970. */
  readonly time: number | undefined
}

/**
 * The prefix of the names of wait queues. A queue of the user's may begin with it,
 * too.
 *
 * @category constructors
 * @since 0.1.0
 */
export const waitPrefix = "wait."

/**
 * Returns the name of the queue in which messages for a queue wait for a delay, and to
 * which only the direct exchange leads.
 *
 * @category constructors
 * @since 0.1.0
 */
export const waitQueueName = (queue: string, delay: number, exchange: string): string =>
  `${waitPrefix}${queue}.${delay}.quorum.${exchange}`

/** Returns whether it was the end of a wait: not every queue whose name begins like a wait queue's is one. */
const isEndOfWait = ({ exchange, queue, reason, routingKey }: Death): boolean =>
  reason === "expired" &&
  queue !== undefined &&
  queue === routingKey &&
  queue.startsWith(waitPrefix) &&
  exchange !== undefined &&
  queue.endsWith(`.quorum.${exchange}`)

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

/** The latest of them. */
const deathOf = (headers: unknown): Death | undefined => {
  const entries = own(headers, "x-death")
  if (!Array.isArray(entries)) return undefined
  for (const entry of entries) {
    const death = readDeath(entry)
    if (death === undefined || !isEndOfWait(death)) return death
  }
  return undefined
}

/** Returns the origin. A message that was retried before it died came to its last queue by another exchange than the first. */
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

/** Returns how often a quorum queue counted that a message was put back, or lost with its consumer. */
export const returnsOf = ({ properties }: ConsumeMessage): number =>
  count(own(properties.headers, "x-delivery-count"), maxAttempt) ?? 0

/** Counters in headers can be forged; no real one is larger than this. */
const maxAttempt = 1_000_000

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
  const envelope: Envelope = {
    // What is not UTF-8 grows when it is read, and it has to go out again.
    id: id === undefined ? undefined : short(id),
    type,
    version: count(own(table, "eb-version"), 2 ** 31),
    routingKey: text(own(headers, "eb-routing-key")) ?? death?.routingKey ?? fields.routingKey,
    body: content,
    timestamp: millisFrom(properties.timestamp),
    source: text(properties.appId),
    traceId: text(properties.correlationId),
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
  return readAs === undefined ? envelope : { ...envelope, content: readAs }
}

/**
 * The envelope without all that another service has put into its properties, for
 * when they cannot be said again.
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
  // No declared format is better than a wrong one.
  ...(envelope.content === undefined ? {} : { content: { type: undefined, encoding: undefined } })
})
