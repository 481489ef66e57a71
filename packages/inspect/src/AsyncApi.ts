/**
 * A contract as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0),
 * for tools and for readers who do not use TypeScript.
 *
 * Each event type becomes a message and a channel, whose address is its routing keys.
 * Each queue becomes a channel and an operation, in which its subscription receives. A
 * request has a channel and a message for its reply. An older version that a type has a
 * step from is a message, `order.placed.v1`, which queues receive and nothing sends.
 * The schema of a payload is nested in the platform's envelope, as on the wire. Where a
 * plan of bodies seals payloads, a payload is sealed or as its schema says, and
 * `x-bodies` lists the steps. `x-flow` of an operation says how events are taken,
 * and whether those of a key keep their order.
 *
 * @since 0.1.0
 */

import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { Step } from "@effect-eventbus/bodies/BodyPlan"
import * as Event from "effect-eventbus/Event"
import type * as EventType from "effect-eventbus/EventType"
import type * as Handler from "effect-eventbus/Handler"
import * as Priority from "effect-eventbus/Priority"
import * as Request from "effect-eventbus/Request"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import type { Subscription } from "effect-eventbus/Subscription"
import * as Duration from "effect/Duration"
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

/** The name of an older version that a type has a step from. */
const versionName = (type: string, version: number): string => `${type}.v${version}`

const versionNames = ({ from, name }: EventType.Any): ReadonlyArray<string> =>
  Array.from(from.keys(), (version) => versionName(name, version))

/** The two schemas of a reply, and the message that has one of them. */
const successName = (type: string): string => `${type}.success`
const errorName = (type: string): string => `${type}.error`
const replyName = (type: string): string => `${type}.reply`

/** Escapes the characters that AsyncAPI does not allow in the names of schemas. */
const schemaName = (root: string, definition: string): string =>
  `${root}.${definition.replace(/[^\w.-]/g, (char) => `_${char.codePointAt(0)?.toString(16)}_`)}`

const definitionPrefix = "#/definitions/"

/** Rewrites references to local definitions: all schemas of a document are components. */
const movedTo =
  (root: string) =>
  (key: string, value: unknown): unknown => {
    if (key !== "$ref" || typeof value !== "string" || !value.startsWith(definitionPrefix)) return value
    const [definition = "", ...rest] = value.slice(definitionPrefix.length).split("/")
    const name = decodeURIComponent(definition).replaceAll("~1", "/").replaceAll("~0", "~")
    return [`#/components/schemas/${schemaName(root, name)}`, ...rest].join("/")
  }

const move = <A>(root: string, schema: A): A => JSON.parse(JSON.stringify(schema), movedTo(root))

/** Returns a schema under its name, and the schemas that it refers to. */
const schemasUnder = (
  root: string,
  name: string,
  codec: Schema.Constraint
): Effect.Effect<JsonSchema.Definitions, ContractError.ContractError> =>
  Effect.try({
    try: () => {
      const { definitions, schema } = JsonSchema.toDocumentDraft07(Schema.toJsonSchemaDocument(codec))
      return {
        [root]: move(root, schema),
        ...Object.fromEntries(
          Object.entries(definitions).map(([definition, schema]) => [schemaName(root, definition), move(root, schema)])
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

/** Returns the schemas of a type: those of its payload and of the older ones, and of the replies to a request. */
const schemasOf = (type: EventType.Any): Effect.Effect<JsonSchema.Definitions, ContractError.ContractError> => {
  const { from, name, payload } = type
  const older = Array.from(from, ([version, step]) =>
    schemasUnder(payloadName(versionName(name, version)), name, step.payload)
  )
  const replies = Request.isRequest(type)
    ? [
        // JSON has no `undefined`, so it is `null` there.
        schemasUnder(successName(name), name, Schema.toCodecJson(type.success)),
        schemasUnder(errorName(name), name, Schema.toCodecJson(type.error))
      ]
    : []
  return Effect.map(Effect.all([schemasUnder(payloadName(name), name, payload), ...older, ...replies]), (all) =>
    Object.assign({}, ...all)
  )
}

const having = (member: string, schema: object) => ({
  type: "object",
  required: [member],
  properties: { [member]: schema }
})

/** The schema of payloads that were sealed by some of these steps. */
const sealedSchema = (steps: ReadonlyArray<Step>): JsonSchema.JsonSchema => {
  const step = having("step", { enum: steps.map(({ name }) => name) })
  const data = { type: "string", contentEncoding: "base64" }
  return having("$sealed", {
    type: "object",
    required: ["steps", "data"],
    properties: {
      steps: { type: "array", items: step, description: "The transforms of the payload, with their parameters" },
      data
    }
  })
}

/** Returns the schema of a payload on the wire. */
const payloadOf = (name: string, steps: ReadonlyArray<Step>) => {
  const plain = ref("components", "schemas", payloadName(name))
  return steps.length === 0 ? plain : { anyOf: [plain, ref("components", "schemas", "sealed")] }
}

const message = (
  name: string,
  version: number | undefined,
  properties: JsonSchema.Definitions,
  steps: ReadonlyArray<Step>
) => ({
  name,
  title: name,
  contentType: "application/json",
  correlationId: { location: "$message.payload#/trace_id" },
  headers,
  payload: { allOf: [ref("components", "schemas", "envelope"), { type: "object", properties }] },
  bindings: { amqp: { messageType: name, bindingVersion } },
  ...(version === undefined ? {} : { "x-version": version }),
  ...(steps.length === 0 ? {} : { "x-bodies": steps.map(({ name, over }) => ({ step: name, overBytes: over })) })
})

const messageOf = ({ name, version }: EventType.Any, steps: ReadonlyArray<Step>) =>
  message(name, version, { event_type: { const: name }, payload: payloadOf(name, steps) }, steps)

/** Returns the messages of the older versions that a type has steps from. */
const olderMessagesOf = ({ from, name, version: newest }: EventType.Any, steps: ReadonlyArray<Step>) =>
  Array.from(from.keys(), (version) => {
    const key = versionName(name, version)
    const properties = { event_type: { const: name }, payload: payloadOf(key, steps) }
    const older = message(name, version, properties, steps)
    const description = `It is read as version ${newest} of ${name}.`
    return [key, { ...older, name: key, title: `${name}, version ${version}`, description }] as const
  })

const replyMessage = (type: string) => ({
  name: replyName(type),
  title: replyName(type),
  contentType: "application/json",
  correlationId: { location: "$message.header#/correlation_id" },
  payload: having("payload", {
    oneOf: [
      having("success", ref("components", "schemas", successName(type))),
      having("error", ref("components", "schemas", errorName(type))),
      having("died", { type: "string", description: "The reason why there is neither" })
    ]
  })
})

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

/** Returns the key of the channel of a request's replies. Its address is in each request. */
const replyChannelOf = (type: string): string => `reply:${type}`

const replyChannel = (type: string) => ({
  address: null,
  description: `The replies to ${type}, in the queue that each request names.`,
  messages: messagesOf([replyName(type)])
})

/** The reply to an operation. */
const replyTo = (type: string) => ({
  reply: {
    address: { location: "$message.header#/reply_to" },
    channel: ref("channels", replyChannelOf(type)),
    messages: [ref("channels", replyChannelOf(type), "messages", replyName(type))]
  }
})

const send = (type: string) => ({
  action: "send",
  title: type,
  channel: ref("channels", type),
  messages: [ref("channels", type, "messages", type)],
  ...replyTo(type)
})

const receive = (
  { atMostOnce, name: queue }: Subscription<Event.Event>,
  messages: ReadonlyArray<string>,
  /** The request that is replied to. */
  request: string | undefined,
  flow: object
) => ({
  ...(request === undefined ? {} : replyTo(request)),
  action: "receive",
  title: queue,
  channel: ref("channels", channelOf(queue)),
  messages: messages.map((name) => ref("channels", channelOf(queue), "messages", name)),
  bindings: { amqp: { ack: !atMostOnce, bindingVersion } },
  ...(Object.keys(flow).length === 0 ? {} : { "x-flow": flow })
})

/** Returns what is known of how a queue's events are taken. */
const flowOf = ({ concurrency, ordering, prefetch }: Subscription<Event.Event>, handler: Handler.Any | undefined) => {
  const steps = handler?.steps ?? []
  const around = steps.flatMap((step) => (step._tag === "Around" ? [step.name] : []))
  const batch = steps.flatMap((step) =>
    step._tag === "Batch" ? [{ size: step.size, withinMs: Duration.toMillis(step.within) }] : []
  )[0]
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(prefetch === undefined ? {} : { prefetch }),
    ...(ordering === undefined ? {} : { ordered: { by: "key", holdForMs: Duration.toMillis(ordering.holdFor) } }),
    ...(batch === undefined ? {} : { batch }),
    ...(around.length === 0 ? {} : { steps: around })
  }
}

/** Returns the types that a subscription receives, as far as the contract knows them. */
const receivedBy = (
  { events, patterns }: Subscription<Event.Event>,
  types: ReadonlyArray<EventType.Any>
): ReadonlyArray<string> => {
  if (events.length > 0) return events.flatMap((type) => [type.name, ...versionNames(type)])
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
  { bodies, eventTypes, handlers, info, subscriptions }: Contract,
  settings: AmqpOptions.Settings
): Effect.fn.Return<AsyncApi, ContractError.ContractError> {
  const types = eventTypes.map(({ name }) => name)
  yield* checkUnique("event types", [...types, ...eventTypes.flatMap(versionNames)])
  yield* checkUnique(
    "subscriptions",
    subscriptions.map(({ name }) => name)
  )
  const schemas = yield* Effect.forEach(eventTypes, schemasOf)
  const steps = bodies?.steps ?? []
  const queues = subscriptions.map((subscription) => ({
    subscription,
    messages: receivedBy(subscription, eventTypes)
  }))
  const requests = eventTypes.filter(Request.isRequest).map(({ name }) => name)
  const handlersOf = (queue: string) => handlers.filter(({ subscription }) => subscription.name === queue)
  const requestOf = (queue: string): string | undefined =>
    handlersOf(queue).flatMap(({ steps }) => steps.flatMap((step) => (step._tag === "Reply" ? [step.request] : [])))[0]
  const replied = new Set(subscriptions.map(({ name }) => requestOf(name)))
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
      ),
      ...requests.map((name) => [replyChannelOf(name), replyChannel(name)] as const)
    ]),
    operations: Object.fromEntries([
      ...queues.map(
        ({ messages, subscription }) =>
          [
            `receive:${subscription.name}`,
            receive(
              subscription,
              messages,
              requestOf(subscription.name),
              flowOf(subscription, handlersOf(subscription.name)[0])
            )
          ] as const
      ),
      // A request without a responder here is one that the application makes.
      ...requests.filter((name) => !replied.has(name)).map((name) => [`request:${name}`, send(name)] as const)
    ]),
    components: {
      messages: {
        ...Object.fromEntries(eventTypes.map((type) => [type.name, messageOf(type, steps)])),
        ...Object.fromEntries(eventTypes.flatMap((type) => olderMessagesOf(type, steps))),
        ...Object.fromEntries(requests.map((name) => [replyName(name), replyMessage(name)])),
        ...(hasAny ? { [anyEvent]: message(anyEvent, undefined, {}, steps) } : {})
      },
      schemas: Object.assign({ envelope }, ...schemas, steps.length === 0 ? {} : { sealed: sealedSchema(steps) })
    }
  }
})
