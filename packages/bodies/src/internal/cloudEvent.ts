/**
 * The bodies of the bus as CloudEvents, and back.
 *
 * @internal
 */

import { createHash } from "node:crypto"
import * as Envelope from "effect-eventbus/Envelope"
import * as IsoTime from "effect-eventbus/IsoTime"
import { jsonMembers, jsonObject, textOf } from "./bodyText.ts"

/** A CloudEvent: its attributes in their canonical form, and its data as JSON. `undefined`: its data is no JSON. */
export interface CloudEvent {
  readonly attributes: Readonly<Record<string, string>>
  readonly data: string | undefined
}

/** The fields in the order in which the bus writes them, their attributes, and whether they are numbers. */
const fields = [
  ["event_id", "id", false],
  ["event_type", "type", false],
  ["timestamp", "time", false],
  ["source_agent_id", "sourceagentid", false],
  ["source_service", "source", false],
  ["trace_id", "traceid", false],
  ["execution_id", "executionid", false],
  ["parent_event_id", "parenteventid", false],
  ["payload", "data", false],
  ["priority", "priority", false],
  ["ttl_seconds", "ttlseconds", true],
  ["retry_count", "retrycount", true],
  ["max_retries", "maxretries", true]
] as const

const numbers: ReadonlySet<string> = new Set(fields.flatMap(([, attribute, isNumber]) => (isNumber ? [attribute] : [])))

/** The fields and attributes that are no extensions of their own. */
const knownFields: ReadonlySet<string> = new Set(fields.map(([field]) => field))
const knownAttributes: ReadonlySet<string> = new Set([
  ...fields.map(([, attribute]) => attribute),
  "specversion",
  "datacontenttype",
  "traceparent",
  "ebextensions"
])

/** The fields that are attributes by another name. An attribute of others that has the name of the field gets a prefix. */
const taken: ReadonlySet<string> = new Set(["payload", "timestamp"])
const prefix = "cloudevents_"

/** As RabbitMQ's headers are read. CloudEvents asks for 20 letters, but does not insist. */
const extensionName = /^[a-z0-9]{1,64}$/
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const isText = (u: unknown): u is string => typeof u === "string" && u !== ""

/** Returns the id of an event whose id is not a UUID: the same for the same source and id. */
const idFrom = (source: string, id: string): string => {
  if (uuid.test(id)) return id
  const hex = createHash("sha256").update(`${source}\n${id}`).digest("hex")
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)]
  return parts.join("-")
}

/** Returns the service that a source names. `undefined`: the layer gave the source, because the event names none. */
const serviceOf = (source: string, ownSource: string): string | undefined => {
  if (source === ownSource) return undefined
  try {
    return decodeURI(source)
  } catch {
    return source
  }
}

/** Returns the source of a service. Half a character has no form in a URI. */
const sourceOf = (service: unknown, ownSource: string): string =>
  isText(service) ? encodeURI(service.replaceAll(/\p{Surrogate}/gu, "\ufffd")) : ownSource

/** The forms of RFC 3339, the only ones that `time` may have. Both `Z` and `+00:00` are UTC. */
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

/** Returns a time as its publisher wrote it, if a CloudEvent may have that. `undefined`: it is no time. */
const timeFrom = (timestamp: string): string | undefined => {
  const millis = IsoTime.parse(timestamp)
  if (millis === undefined) return undefined
  // Without an offset it is in UTC.
  return [timestamp, `${timestamp}Z`].find((each) => rfc3339.test(each)) ?? IsoTime.format(millis)
}

const plain = "application/json"

const isJson = (type: string | undefined): boolean => type === undefined || /^[^;]*[/+]json\s*(;|$)/i.test(type)

/** Returns some members of a JSON object as they are written. */
const written = (text: string, keys: ReadonlyArray<string>): ReadonlyArray<string> => {
  const members = keys.length === 0 ? undefined : jsonMembers(text)
  return keys.map((key) => `${JSON.stringify(key)}:${members?.get(key)}`)
}

/** Makes a CloudEvent of an envelope. `undefined`: its body is no event. */
export const fromEnvelope = (envelope: Envelope.Envelope, ownSource: string): CloudEvent | undefined => {
  const wire = jsonObject(textOf(envelope))
  const data = wire === undefined ? undefined : Envelope.member(envelope, "payload")
  if (wire === undefined || data === undefined) return undefined
  const { cloudevents_id, cloudevents_source, event_id, event_type, source_service, timestamp } = wire
  const service = isText(source_service) ? source_service : undefined
  // A handler may copy these extensions to another event, which has a source and an id of its own.
  const isRaw = isText(cloudevents_source) && serviceOf(cloudevents_source, ownSource) === service
  const source = isRaw ? cloudevents_source : sourceOf(service, ownSource)
  const id = isText(cloudevents_id) && idFrom(source, cloudevents_id) === event_id ? cloudevents_id : event_id
  const time = isText(timestamp) ? timeFrom(timestamp) : undefined
  if (!isText(id) || !isText(event_type) || time === undefined) return undefined

  const attributes: Record<string, string> = { specversion: "1.0" }
  const values: Readonly<Record<string, unknown>> = { ...wire, event_id: id, timestamp: time, source_service: source }
  for (const [field, attribute] of fields) {
    const value = field === "payload" ? undefined : values[field]
    if (typeof value === "string" || typeof value === "number") attributes[attribute] = String(value)
  }
  if (envelope.traceparent !== undefined) attributes["traceparent"] = envelope.traceparent

  const others = new Array<string>()
  if (typeof source_service === "string" && serviceOf(source, ownSource) !== source_service) {
    others.push("source_service")
  }
  for (const [key, value] of Object.entries(wire)) {
    const isWritten =
      knownFields.has(key) ||
      (key === "cloudevents_id" && value === id) ||
      (key === "cloudevents_source" && value === source)
    if (isWritten) continue
    const bare = key.startsWith(prefix) ? key.slice(prefix.length) : key
    const attribute = taken.has(bare) ? bare : key
    if (extensionName.test(attribute) && !knownAttributes.has(attribute) && typeof value === "string") {
      attributes[attribute] = value
    } else others.push(key)
  }
  if (others.length > 0) attributes["ebextensions"] = `{${written(textOf(envelope), others).join(",")}}`
  // The data is JSON, even if its publisher called the event something else.
  const type = isJson(envelope.content?.type) ? envelope.content?.type : undefined
  return { attributes: { ...attributes, datacontenttype: type ?? plain }, data }
}

/** Returns the reason why attributes are not those of a CloudEvent. */
export const problem = ({ attributes, data }: CloudEvent): string | undefined => {
  const missing = ["specversion", "id", "source", "type"].find((name) => (attributes[name] ?? "") === "")
  if (missing !== undefined) return `the CloudEvent has no "${missing}"`
  const { specversion = "" } = attributes
  if (!/^1\.\d+$/.test(specversion)) return `the CloudEvent has the "specversion" ${specversion.slice(0, 20)}, not 1.0`
  const { time } = attributes
  if (time !== undefined && IsoTime.parse(time) === undefined) return `the "time" of the CloudEvent is not a time`
  return data?.trimStart().startsWith("{") === true ? undefined : "the data of the CloudEvent is not a JSON object"
}

/** Writes the body of the bus, and the properties that a CloudEvent brings. `now` is the time of one that has none. */
export const toEnvelope = (
  { attributes, data = "null" }: CloudEvent,
  envelope: Envelope.Envelope,
  ownSource: string,
  now: number
): Envelope.Envelope => {
  const { id = "", source = "", traceparent } = attributes
  const eventId = idFrom(source, id)
  const time = attributes["time"] ?? IsoTime.format(envelope.timestamp ?? now)
  const others = jsonObject(attributes["ebextensions"] ?? "") ?? {}
  const named = others["source_service"]
  const service =
    typeof named === "string" && sourceOf(named, ownSource) === source ? named : serviceOf(source, ownSource)
  const extensions: Record<string, string> = {}
  for (const [key, value] of Object.entries(attributes)) {
    const name = taken.has(key) ? `${prefix}${key}` : key
    if (!knownAttributes.has(key) && !knownFields.has(name)) extensions[name] = value
  }
  if (eventId !== id) extensions["cloudevents_id"] = id
  if (sourceOf(service, ownSource) !== source) extensions["cloudevents_source"] = source

  // As the bus writes an event, so that each attempt of it has the same bytes.
  const own = Object.keys(others).filter((key) => !knownFields.has(key) && !Object.hasOwn(extensions, key))
  const members = [
    ...written(attributes["ebextensions"] ?? "", own),
    ...Object.entries(extensions).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  ]
  const values: Readonly<Record<string, string | undefined>> = { ...attributes, id: eventId, time, source: service }
  for (const [field, attribute, isNumber] of fields) {
    const value = values[attribute] ?? null
    const json = JSON.stringify(isNumber && value !== null ? Number(value) : value)
    members.push(`"${field}":${field === "payload" ? data : json}`)
  }
  const { attributes: _, content: __, ...rest } = envelope
  const type = attributes["datacontenttype"]
  return {
    ...rest,
    ...(type === undefined || type === plain || !isJson(type) ? {} : { content: { type, encoding: undefined } }),
    id: envelope.id ?? eventId,
    type: envelope.type ?? attributes["type"],
    timestamp: envelope.timestamp ?? IsoTime.parse(time),
    source: envelope.source ?? service,
    traceparent: envelope.traceparent ?? traceparent,
    body: Buffer.from(`{${members.join(",")}}`)
  }
}

/** Writes a CloudEvent in the JSON format. */
export const toJson = ({ attributes, data = "null" }: CloudEvent): string => {
  const json = Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => {
      const isInteger = numbers.has(key) && /^\d{1,9}$/.test(value)
      return [key, isInteger ? Number(value) : value]
    })
  )
  return `${JSON.stringify(json).slice(0, -1)},"data":${data}}`
}

/** The payload of a CloudEvent without data, because an event of the bus always has one. */
const noData = "{}"

/** Returns a text if it is JSON. */
const jsonIn = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  try {
    JSON.parse(text)
    return text
  } catch {
    return undefined
  }
}

/** Reads a CloudEvent in the JSON format. */
export const fromJson = (envelope: Envelope.Envelope): CloudEvent => {
  const json = jsonObject(textOf(envelope)) ?? {}
  const attributes: Record<string, string> = {}
  for (const [key, value] of Object.entries(json)) {
    if (key === "data" || key === "data_base64" || value === null || typeof value === "object") continue
    attributes[key] = String(value)
  }
  const base64 = json["data_base64"]
  const data =
    typeof base64 === "string"
      ? jsonIn(Buffer.from(base64, "base64").toString())
      : "data" in json
        ? Envelope.member(envelope, "data")
        : noData
  return { attributes, data: isJson(attributes["datacontenttype"]) ? data : undefined }
}

/** Reads a CloudEvent whose data is the body. The content type of the message is that of its data. */
export const fromAttributes = (attributes: CloudEvent["attributes"], envelope: Envelope.Envelope): CloudEvent => {
  const type = envelope.content?.type
  return {
    attributes: type === undefined ? attributes : { ...attributes, datacontenttype: type },
    data: envelope.body.length === 0 ? noData : isJson(type) ? jsonIn(textOf(envelope)) : undefined
  }
}
