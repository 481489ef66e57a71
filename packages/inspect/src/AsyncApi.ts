/**
 * A contract as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0),
 * for the tools and the people who do not read TypeScript.
 *
 * Every event type is a message, and a channel: the routing keys under which it is
 * published. Every queue is a channel, from which its subscription receives. A
 * payload's schema stands in the platform's envelope, as it does on the wire.
 *
 * @since 0.1.0
 */

import { existsSync, readFileSync } from "node:fs"
import { basename, dirname, extname, join } from "node:path"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import * as Event from "effect-eventbus/Event"
import type * as EventType from "effect-eventbus/EventType"
import * as Priority from "effect-eventbus/Priority"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import type { Subscription } from "effect-eventbus/Subscription"
import * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import type { Contract } from "./Contract.ts"

/**
 * An AsyncAPI document.
 *
 * @category models
 * @since 0.1.0
 */
export type AsyncApi = Readonly<Record<string, unknown>>

const nullable = (schema: JsonSchema.JsonSchema, type: JsonSchema.Type): JsonSchema.JsonSchema => ({
  ...schema,
  type: [type, "null"]
})
const string = (description: string) => nullable({ description }, "string")
const uuid = (description: string) => nullable({ description, format: "uuid" }, "string")

/** The thirteen fields of the platform, but for what each type says of two of them. */
const envelope: JsonSchema.JsonSchema = {
  type: "object",
  description: "What all events have in common. Fields that are not named here are kept.",
  required: ["event_id", "event_type", "timestamp", "payload"],
  properties: {
    event_id: { type: "string", format: "uuid", description: "The same when the event is delivered twice" },
    event_type: { type: "string" },
    timestamp: { type: "string", format: "date-time", description: "When it happened; UTC where it does not say" },
    source_agent_id: string("The agent that speaks"),
    source_service: string("The service that speaks"),
    trace_id: uuid("The trace that it belongs to"),
    execution_id: uuid("The execution that it belongs to"),
    parent_event_id: uuid("The event whose handler published it"),
    payload: { type: "object" },
    priority: { enum: [...Priority.all, null], default: "normal" },
    ttl_seconds: nullable({ minimum: 0, description: "How long it may wait in a queue" }, "number"),
    retry_count: nullable({ minimum: 0, default: 0, description: "How often it has been retried" }, "integer"),
    max_retries: nullable(
      { minimum: 0, default: Event.defaultMaxRetries, description: "How often it may be retried" },
      "integer"
    )
  },
  additionalProperties: true
}

const headers: JsonSchema.JsonSchema = {
  type: "object",
  properties: {
    traceparent: { type: "string", description: "W3C trace context" },
    "eb-version": { type: "integer", minimum: 1, description: "The version of the event type" }
  }
}

const bindingVersion = "0.3.0"
const anyEvent = "any-event"

const ref = (...path: ReadonlyArray<string>) => ({
  $ref: `#/${path.map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1")).join("/")}`
})

const payloadName = (type: string): string => `${type}.payload`

/** AsyncAPI has few characters for the names of schemas. */
const schemaName = (type: string, definition: string): string =>
  `${payloadName(type)}.${definition.replace(/[^\w.-]/g, (char) => `_${char.codePointAt(0)?.toString(16)}_`)}`

const definitionPrefix = "#/definitions/"

/** Definitions move to where all schemas of the document are. */
const movedTo =
  (type: string) =>
  (key: string, value: unknown): unknown => {
    if (key !== "$ref" || typeof value !== "string" || !value.startsWith(definitionPrefix)) return value
    const [definition = "", ...rest] = value.slice(definitionPrefix.length).split("/")
    const name = decodeURIComponent(definition).replaceAll("~1", "/").replaceAll("~0", "~")
    return [`#/components/schemas/${schemaName(type, name)}`, ...rest].join("/")
  }

const move = <A>(type: string, schema: A): A => JSON.parse(JSON.stringify(schema), movedTo(type))

/** The schemas of a type: that of its payload, and what it refers to. */
const schemasOf = ({ name, payload }: EventType.Any): Readonly<Record<string, JsonSchema.JsonSchema>> => {
  const { definitions, schema } = JsonSchema.toDocumentDraft07(Schema.toJsonSchemaDocument(payload))
  return {
    [payloadName(name)]: move(name, schema),
    ...Object.fromEntries(
      Object.entries(definitions).map(([definition, schema]) => [schemaName(name, definition), move(name, schema)])
    )
  }
}

const message = (name: string, version: number | undefined, properties: JsonSchema.Definitions) => ({
  name,
  title: name,
  contentType: "application/json",
  correlationId: { location: "$message.payload#/trace_id" },
  headers,
  payload: { allOf: [ref("components", "schemas", "envelope"), { type: "object", properties }] },
  bindings: { amqp: { messageType: name, bindingVersion } },
  ...(version === undefined ? {} : { "x-version": version })
})

const messageOf = ({ name, version }: EventType.Any) =>
  message(name, version, { event_type: { const: name }, payload: ref("components", "schemas", payloadName(name)) })

const messagesOf = (names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [name, ref("components", "messages", name)]))

const typeChannel = (name: string, { endpoints: [{ vhost }], exchange }: AmqpOptions.Settings) => ({
  address: `${name}.{priority}`,
  description: `The routing keys of ${name}, unless its publisher says otherwise.`,
  messages: messagesOf([name]),
  parameters: { priority: { enum: [...Priority.all], default: "normal", description: "How urgent the event is" } },
  bindings: {
    amqp: {
      is: "routingKey",
      exchange: { name: exchange, type: "topic", durable: true, autoDelete: false, vhost },
      bindingVersion
    }
  }
})

const queueChannel = (
  { patterns, name: queue, temporary }: Subscription<Event.Event>,
  messages: ReadonlyArray<string>,
  { endpoints: [{ vhost }], exchange }: AmqpOptions.Settings
) => ({
  address: queue,
  description:
    patterns.length === 0
      ? "Dead letters. It is bound to no live event."
      : `Bound to ${exchange} by ${patterns.join(", ")}.`,
  messages: messagesOf(messages),
  bindings: {
    amqp: {
      is: "queue",
      queue: { name: queue, durable: !temporary, exclusive: temporary, autoDelete: temporary, vhost },
      bindingVersion
    }
  },
  "x-patterns": patterns
})

/** The key of a queue's channel, which no event type has. */
const channelOf = (queue: string): string => `queue:${queue}`

const receive = ({ atMostOnce, name: queue }: Subscription<Event.Event>, messages: ReadonlyArray<string>) => ({
  action: "receive",
  title: queue,
  channel: ref("channels", channelOf(queue)),
  messages: messages.map((name) => ref("channels", channelOf(queue), "messages", name)),
  bindings: { amqp: { ack: !atMostOnce, bindingVersion } }
})

/** The types that a subscription receives, as far as the contract knows them. */
const receivedBy = (
  { events, patterns }: Subscription<Event.Event>,
  types: ReadonlyArray<EventType.Any>
): ReadonlyArray<string> => {
  if (events.length > 0) return events.map(({ name }) => name)
  const reaches = ({ name }: EventType.Any) =>
    Priority.all.some((priority) =>
      patterns.some((pattern) => RoutingKey.matches(pattern, RoutingKey.make(name, priority)))
    )
  return [...types.filter(reaches).map(({ name }) => name), anyEvent]
}

const byKey = <A>(what: string, values: ReadonlyArray<A>, key: (value: A) => string): ReadonlyMap<string, A> => {
  const all = new Map<string, A>()
  for (const value of values) {
    if (all.has(key(value))) throw new RangeError(`Two ${what} are named "${key(value)}", and a document can have one`)
    all.set(key(value), value)
  }
  return all
}

/** The `package.json` that a module is a part of. */
const packageOf = (folder: string): Readonly<Record<string, unknown>> => {
  const file = join(folder, "package.json")
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"))
  return dirname(folder) === folder ? {} : packageOf(dirname(folder))
}

const infoOf = (path: string) => {
  const { description, name, version } = packageOf(dirname(path))
  return {
    title: typeof name === "string" ? name : basename(path, extname(path)),
    version: typeof version === "string" ? version : "0.0.0",
    ...(typeof description === "string" ? { description } : {})
  }
}

/**
 * Makes the document. Its title and version are those of the package that the
 * module is in. A schema that no JSON Schema can tell is an error of Effect's; two
 * event types of one name, or two subscriptions of one queue, are a `RangeError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ eventTypes, path, subscriptions }: Contract, settings: AmqpOptions.Settings): AsyncApi => {
  const types = byKey("event types", eventTypes, ({ name }) => name)
  const queues = [...byKey("subscriptions", subscriptions, ({ name }) => name).values()].map((subscription) => ({
    subscription,
    messages: receivedBy(subscription, eventTypes)
  }))
  const hasAny = queues.some(({ messages }) => messages.includes(anyEvent))
  return {
    asyncapi: "3.0.0",
    info: infoOf(path),
    defaultContentType: "application/json",
    channels: Object.fromEntries([
      ...[...types.keys()].map((name) => [name, typeChannel(name, settings)] as const),
      ...queues.map(
        ({ messages, subscription }) =>
          [channelOf(subscription.name), queueChannel(subscription, messages, settings)] as const
      )
    ]),
    operations: Object.fromEntries(
      queues.map(({ messages, subscription }) => [`receive:${subscription.name}`, receive(subscription, messages)])
    ),
    components: {
      messages: {
        ...Object.fromEntries(eventTypes.map((type) => [type.name, messageOf(type)])),
        ...(hasAny ? { [anyEvent]: message(anyEvent, undefined, {}) } : {})
      },
      schemas: Object.assign({ envelope }, ...eventTypes.map(schemasOf))
    }
  }
}
