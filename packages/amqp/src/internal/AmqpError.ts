/**
 * Translates the errors of RabbitMQ, amqplib and the system into those of the bus.
 *
 * @since 0.1.0
 */

import {
  AuthenticationFailed,
  CertificateRejected,
  ConnectionFailed,
  NotFound,
  PermissionDenied,
  Refused,
  TlsFailed,
  TopologyMismatch,
  VhostNotFound
} from "effect-eventbus/BrokerError"
import type { Argument, Reason } from "effect-eventbus/BrokerError"
import * as Fault from "effect-eventbus/Fault"
import * as AmqpOptions from "../AmqpOptions.ts"

/**
 * Returns the unchanged text of an error, for reading, not for display.
 *
 * @category getters
 * @since 0.1.0
 */
export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const propertyOf = (error: unknown, key: "code" | "errors"): unknown =>
  typeof error === "object" && error !== null ? Reflect.get(error, key) : undefined

/**
 * Returns the text of an error, bounded and without the credentials of URLs.
 *
 * @category getters
 * @since 0.1.0
 */
export const detailOf = (error: unknown): string => {
  // Node tries IPv4 and IPv6, and says of both only in a list without a message.
  const several = propertyOf(error, "errors")
  const text = textOf(error) === "" && Array.isArray(several) ? several.map(textOf).join("; ") : textOf(error)
  return Fault.withoutCredentials(text).slice(0, 500)
}

/**
 * Returns the reply code that closed a channel (AMQP 0-9-1, section 1.1), if the error
 * has one.
 *
 * @category getters
 * @since 0.1.0
 */
export const replyCode = (error: unknown): number | undefined => {
  const code = propertyOf(error, "code")
  return typeof code === "number" ? code : undefined
}

/**
 * Returns why the broker closed a connection that was being opened. Any other words
 * than these may be temporary: a connection limit, a virtual host that is starting, a
 * node that is stopping.
 */
const fromClose = (code: number, error: unknown, endpoint: AmqpOptions.Endpoint): Reason => {
  const { username, vhost } = endpoint
  const address = AmqpOptions.address(endpoint)
  const text = textOf(error)
  const detail = detailOf(error)
  if (code === 403 && !/ vhost /.test(text)) return new AuthenticationFailed({ address, username })
  // A name of 250 bytes leaves no room for the rest of the sentence. Other sentences about a virtual host quote its name.
  const isCut = text.endsWith("...") && Buffer.byteLength(text) > 250
  if (code === 530 && (/vhost .* not found$/s.test(text) || (isCut && /^NOT_ALLOWED - vhost [^']/.test(text))))
    return new VhostNotFound({ address, vhost })
  if ((code === 403 || code === 530) && /refused for user '.*'$/s.test(text)) {
    return new PermissionDenied({ operation: `open the virtual host "${vhost}" of ${address}`, detail })
  }
  return new ConnectionFailed({ address, detail: `${code} ${detail}` })
}

/** The codes of Node and OpenSSL for a certificate that one side does not accept. */
const ofCertificate = /CERT|SIGNATURE|ISSUER|UNKNOWN_CA|INVALID_CA|HOSTNAME_MISMATCH/

/** Returns why both sides cannot agree on TLS, if waiting does not help, or `undefined`. */
const fromTls = (code: string, error: unknown, address: string): Reason | undefined => {
  if (ofCertificate.test(code)) return new CertificateRejected({ address, detail: detailOf(error) })
  if (!/^ERR_O?SSL_/.test(code) || code.endsWith("_INTERNAL_ERROR")) return undefined
  const isPlain = /_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/.test(code)
  const detail = isPlain
    ? "it does not speak it, and an amqps:// URL needs the port of TLS, which is usually 5671"
    : detailOf(error)
  return new TlsFailed({ address, detail })
}

/**
 * Returns why there is no connection.
 *
 * **Details**
 *
 * RabbitMQ refuses a login with `ACCESS-REFUSED` in the handshake. It refuses
 * everything else by closing the connection where amqplib expects `open-ok`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConnect = (error: unknown, endpoint: AmqpOptions.Endpoint): Reason => {
  const address = AmqpOptions.address(endpoint)
  const text = textOf(error)
  const code = propertyOf(error, "code")
  if (typeof code === "number") return fromClose(code, error, endpoint)
  if (/ACCESS.REFUSED/.test(text)) return new AuthenticationFailed({ address, username: endpoint.username })
  if (text.includes("Expected ConnectionOpenOk")) {
    const detail = `it refuses to open the virtual host "${endpoint.vhost}", and its log says why`
    return new ConnectionFailed({ address, detail })
  }
  const ofTls = typeof code === "string" ? fromTls(code, error, address) : undefined
  if (ofTls !== undefined) return ofTls
  return new ConnectionFailed({ address, detail: detailOf(error) })
}

/**
 * Reads a value as RabbitMQ writes it: `none`, `'true'`, `'5'`, or `the value '5' of
 * type 'byte'` where the types differ, too.
 */
const argumentOf = (words: string): Argument => {
  const [, value = "", type] = /^(?:the value )?'(.*?)'(?: of type '(\w+)')?$/.exec(words) ?? []
  if (words === "none") return undefined
  if (type !== undefined && type !== "bool") {
    return type === "longstr" || !Number.isFinite(Number(value)) ? value : Number(value)
  }
  return value === "true" || value === "false" ? value === "true" : value
}

const isWhole = (value: Argument): boolean => typeof value === "string" && /^-?\d+$/.test(value)

/** Returns both values as one type, if RabbitMQ names no types. */
const argumentsOf = (wanted: string, current: string): { readonly wanted: Argument; readonly current: Argument } => {
  const values = { wanted: argumentOf(wanted), current: argumentOf(current) }
  return wanted.startsWith("'") && isWhole(values.wanted) && isWhole(values.current)
    ? { wanted: Number(values.wanted), current: Number(values.current) }
    : values
}

const inequivalence =
  /inequivalent arg '([^']*)'(?:.*: received (.*?) but current is (none|the value '.*' of type '\w+'|'.*'))?/

/** Represents a value that RabbitMQ states in an unknown form. It differs as well. */
const unsaid = "'?'"

const timedOut = /delivery acknowledgement on channel \d+ timed out\. Timeout value used: (\d+) ms/

const advice = "let its handler have a shorter timeout, or raise the consumer_timeout"

/**
 * Returns why a channel that consumes is closed, for the log.
 *
 * @category getters
 * @since 0.1.0
 */
export const closedBecause = (error: unknown): string => {
  if (error === undefined) return "the channel is closed"
  const timeout = timedOut.exec(textOf(error))?.[1]
  return timeout === undefined
    ? `the channel is closed: ${detailOf(error)}`
    : `an event was not acknowledged within ${timeout} ms, RabbitMQ's consumer_timeout: ${advice} (${detailOf(error)})`
}

/**
 * Returns why RabbitMQ has most likely cancelled a consumer, for the log. RabbitMQ
 * gives no reason. From 4.3 on it cancels when an acknowledgement takes too long;
 * before, it closes the channel.
 *
 * @category getters
 * @since 0.1.0
 */
export const cancelledBecause = (
  version: string,
  unsettled: number,
  queue: "exists" | "does not exist" | "not known"
): string => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const cancelsForTime = major > 4 || (major === 4 && minor >= 3)
  if (queue === "exists" && unsettled > 0 && cancelsForTime) {
    return `RabbitMQ cancelled the consumer, most likely because an event was not acknowledged within its consumer_timeout: ${advice}`
  }
  return `RabbitMQ cancelled the consumer: its queue was deleted${queue === "does not exist" ? "" : ", or was not available"}`
}

/**
 * Whether another connection holds a queue as its own (405 RESOURCE_LOCKED).
 *
 * @category predicates
 * @since 0.1.0
 */
export const isLocked = (reason: Reason): boolean =>
  reason._tag === "Refused" && /\bRESOURCE.LOCKED\b/.test(reason.detail)

/** Whether an operation failed because its channel or connection is gone. */
const isGone = (error: unknown): boolean =>
  typeof error === "string" || (error instanceof Error && error.name === "IllegalOperationError")

/**
 * Returns why an operation on a channel failed. A string says why its connection or
 * channel is gone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromChannel = (
  error: unknown,
  context: { readonly operation: string; readonly address: string }
): Reason => {
  const { address, operation } = context
  const detail = detailOf(error)
  const name = /'([^']*)' in vhost/.exec(detail)?.[1] ?? "?"
  switch (replyCode(error)) {
    case 403:
      return new PermissionDenied({ operation, detail })
    case 404:
      return new NotFound({ name, detail })
    case 406: {
      const [, argument, wanted = unsaid, current = unsaid] = inequivalence.exec(textOf(error)) ?? []
      return argument === undefined
        ? new Refused({ operation, detail })
        : new TopologyMismatch({ name, argument, ...argumentsOf(wanted, current) })
    }
    case undefined:
      return isGone(error)
        ? new ConnectionFailed({ address, detail: `${operation}: ${detail}` })
        : new Refused({ operation, detail })
    default:
      return new Refused({ operation, detail })
  }
}
