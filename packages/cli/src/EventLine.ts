/**
 * An event as one line: for a person, or for a program.
 *
 * @since 0.1.0
 */

import type { Envelope } from "effect-eventbus/Envelope"
import type { Event } from "effect-eventbus/Event"
import type { DecodeFailed } from "effect-eventbus/EventCodec"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as LosslessJson from "./LosslessJson.ts"
import { cut, type Output, pad, type Paint, pipedColumns, plain, type Style } from "./Output.ts"

/**
 * The result of decoding the body of an envelope.
 *
 * @category models
 * @since 0.1.0
 */
export type Decoded = Result.Result<Event<string, Schema.JsonObject>, DecodeFailed>

const decoder = new TextDecoder()

/**
 * Returns the event of an envelope as it is on the wire, after its routing key.
 *
 * @category formatting
 * @since 0.1.0
 */
export const onTheWire = ({ body, routingKey }: Envelope): object => ({
  routing_key: routingKey,
  ...LosslessJson.parseObject(decoder.decode(body))
})

/**
 * Returns the payload of an event with its numbers as they are on the wire.
 *
 * @category formatting
 * @since 0.1.0
 */
export const payloadOf = ({ body }: Envelope): Schema.Json =>
  LosslessJson.parseObject(decoder.decode(body)).payload ?? null

/**
 * Returns the event as it is on the wire, after its routing key. For a body that is not
 * an event, it returns the error instead.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = (envelope: Envelope, decoded: Decoded): object => {
  if (Result.isSuccess(decoded)) return onTheWire(envelope)
  const { code, detail } = decoded.failure
  return { routing_key: envelope.routingKey, error: code, detail, bytes: envelope.body.length }
}

/**
 * Formats the time of day in the local time zone.
 *
 * @category formatting
 * @since 0.1.0
 */
export const clockTime = (date: Date): string => {
  const two = (n: number) => String(n).padStart(2, "0")
  const millis = String(date.getMilliseconds()).padStart(3, "0")
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`
}

/** The last word of a type tells success from failure. */
const styles: ReadonlyArray<readonly [words: RegExp, style: Style]> = [
  [/(failed|error|timeout)$/, "red"],
  [/(completed|saved|recovered|loaded)$/, "green"],
  [/(started|submitted|created)$/, "cyan"],
  [/(stopped|cancelled|shutdown)$/, "yellow"]
]

/**
 * Returns the style of an event type.
 *
 * @category formatting
 * @since 0.1.0
 */
export const styleOf = (eventType: string): Style => styles.find(([words]) => words.test(eventType))?.[1] ?? "bold"

/** The longest event type of the platform has 19 characters. */
const typeWidth = 19
const sourceWidth = 12

const priority = ({ priority }: Event, paint: Paint): string => {
  if (priority === "critical") return paint("red", "critical ")
  return priority === "normal" ? "" : paint(priority === "high" ? "yellow" : "dim", `${priority} `)
}

/**
 * Formats the event as a line, cut to the width of the terminal: time, type, source,
 * priority unless normal, and payload.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (
  envelope: Envelope,
  decoded: Decoded,
  { columns = pipedColumns, paint }: Pick<Output["Service"], "columns" | "paint">
): string => {
  if (Result.isFailure(decoded)) {
    const { code, detail } = decoded.failure
    const text = `${envelope.routingKey}  ${code}: ${detail}`
    return `${paint("dim", clockTime(new Date()))}  ${paint("red", "not an event")}  ${cut(plain(text), columns - 28)}`
  }
  const event = decoded.success
  const time = clockTime(DateTime.toDateUtc(event.timestamp))
  const type = pad(plain(event.eventType), typeWidth)
  const source = pad(cut(plain(event.sourceAgentId ?? event.sourceService ?? "-"), sourceWidth), sourceWidth)
  const urgency = event.priority === "normal" ? 0 : event.priority.length + 1
  const used = time.length + type.length + source.length + urgency + 6
  const payload = cut(plain(JSON.stringify(payloadOf(envelope))), Math.max(8, columns - used))
  return [
    paint("dim", time),
    paint(styleOf(event.eventType), type),
    paint("dim", source),
    `${priority(event, paint)}${payload}`
  ].join("  ")
}
