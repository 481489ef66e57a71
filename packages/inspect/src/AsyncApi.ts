/**
 * A contract as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0),
 * for tools and for readers who do not use TypeScript.
 *
 * Each event type becomes a message and a channel, whose address is its routing keys.
 * Each queue becomes a channel and an operation, in which its subscription receives.
 * The schema of a payload is nested in the platform's envelope, as on the wire.
 *
 * @since 0.1.0
 */

import type { AmqpOptions } from "@effect-eventbus/amqp"
import * as Event from "effect-eventbus/Event"
import type * as EventType from "effect-eventbus/EventType"
import * as Priority from "effect-eventbus/Priority"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import type { Subscription } from "effect-eventbus/Subscription"
import * as Effect from "effect/Effect"
import * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import type { Contract } from "./Contract.ts"
import * as ContractError from "./ContractError.ts"

/**
 * An AsyncAPI document.
 *
 * @category models
 * @since 0.1.0
 */
export type AsyncApi = Readonly<Record<string, unknown>>

const fail = (reason: ContractError.Reason) => new ContractError.ContractError({ reason })

const nullable = (schema: JsonSchema.JsonSchema, type: JsonSchema.Type): JsonSchema.JsonSchema => ({
  ...schema,
  type: [type, "null"]
})
const string = (description: string) => nullable({ description }, "string")
const uuid = (description: string) => nullable({ description, format: "uuid" }, "string")

/** The thirteen fields of the envelope. Each type narrows `event_type` and `payload`. */
const envelope: JsonSchema.JsonSchema = {
  type: "object",
  description: "The fields that all events have in common. Other fields are preserved.",
  required: ["event_id", "event_type", "timestamp", "payload"],
  properties: {
    event_id: {
      type: "string",
      format: "uuid",
      description: "Unique to the event: a repeated delivery has the same id"
    },
    event_type: { type: "string" },
    timestamp: {
      type: "string",
      format: "date-time",
      description: "The time of the event, in UTC unless it has an offset"
    },
    source_agent_id: string("The agent that published the event"),
    source_service: string("The service that published the event"),
    trace_id: uuid("The trace that the event belongs to"),
    execution_id: uuid("The execution that the event belongs to"),
    parent_event_id: uuid("The event that caused this one"),
    payload: { type: "object" },
    priority: { enum: [...Priority.all, null], default: "normal" },
    ttl_seconds: nullable({ minimum: 0, description: "The longest time in a queue" }, "number"),
    retry_count: nullable({ minimum: 0, default: 0, description: "The number of retries so far" }, "integer"),
    max_retries: nullable(
      { minimum: 0, default: Event.defaultMaxRetries, description: "The largest number of retries" },
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

/** Escapes the characters that AsyncAPI does not allow in the names of schemas. */
const schemaName = (type: string, definition: string): string =>
  `${payloadName(type)}.${definition.replace(/[^\w.-]/g, (char) => `_${char.codePointAt(0)?.toString(16)}_`)}`

const definitionPrefix = "#/definitions/"

/** Rewrites references to local definitions: all schemas of a document are components. */
const movedTo =
  (type: string) =>
  (key: string, value: unknown): unknown => {
    if (key !== "$ref" || typeof value !== "string" || !value.startsWith(definitionPrefix)) return value
    const [definition = "", ...rest] = value.slice(definitionPrefix.length).split("/")
    const name = decodeURIComponent(definition).replaceAll("~1", "/").replaceAll("~0", "~")
    return [`#/components/schemas/${schemaName(type, name)}`, ...rest].join("/")
  }

const move = <A>(type: string, schema: A): A => JSON.parse(JSON.stringify(schema), movedTo(type))

/** Returns the schema of a payload, and the schemas that it refers to. */
const schemasOf = ({
  name,
  payload
}: EventType.Any): Effect.Effect<JsonSchema.Definitions, ContractError.ContractError> =>
  Effect.try({
    try: () => {
      const { definitions, schema } = JsonSchema.toDocumentDraft07(Schema.toJsonSchemaDocument(payload))
      return {
        [payloadName(name)]: move(name, schema),
        ...Object.fromEntries(
          Object.entries(definitions).map(([definition, schema]) => [schemaName(name, definition), move(name, schema)])
        )
      }
    },
    catch: (error) =>
      fail(
        new ContractError.NoJsonSchema({
          eventType: name,
          detail: error instanceof Error ? error.message : String(error)
        })
      )
  })

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
  description: `The default routing keys of ${name}.`,
  messages: messagesOf([name]),
  parameters: { priority: { enum: [...Priority.all], default: "normal", description: "The priority of the event" } },
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
      ? "Dead letters. It receives no published events."
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

/** Returns the key of a queue's channel. It cannot collide with the name of an event type. */
const channelOf = (queue: string): string => `queue:${queue}`

const receive = ({ atMostOnce, name: queue }: Subscription<Event.Event>, messages: ReadonlyArray<string>) => ({
  action: "receive",
  title: queue,
  channel: ref("channels", channelOf(queue)),
  messages: messages.map((name) => ref("channels", channelOf(queue), "messages", name)),
  bindings: { amqp: { ack: !atMostOnce, bindingVersion } }
})

/** Returns the types that a subscription receives, as far as the contract knows them. */
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

const checkUnique = Effect.fnUntraced(function* (
  kind: ContractError.DuplicateName["kind"],
  names: ReadonlyArray<string>
): Effect.fn.Return<void, ContractError.ContractError> {
  const name = names.find((name, i) => names.indexOf(name) < i)
  if (name !== undefined) return yield* fail(new ContractError.DuplicateName({ kind, name }))
})

/**
 * Returns the document of a contract. It fails where two event types or two
 * subscriptions have the same name, and where a payload has no JSON Schema.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  { eventTypes, info, subscriptions }: Contract,
  settings: AmqpOptions.Settings
): Effect.fn.Return<AsyncApi, ContractError.ContractError> {
  const types = eventTypes.map(({ name }) => name)
  yield* checkUnique("event types", types)
  yield* checkUnique(
    "subscriptions",
    subscriptions.map(({ name }) => name)
  )
  const schemas = yield* Effect.forEach(eventTypes, schemasOf)
  const queues = subscriptions.map((subscription) => ({
    subscription,
    messages: receivedBy(subscription, eventTypes)
  }))
  const hasAny = queues.some(({ messages }) => messages.includes(anyEvent))
  return {
    asyncapi: "3.0.0",
    info,
    defaultContentType: "application/json",
    channels: Object.fromEntries([
      ...types.map((name) => [name, typeChannel(name, settings)] as const),
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
      schemas: Object.assign({ envelope }, ...schemas)
    }
  }
})
