/**
 * The resources of the console, as both of its sides see them. Times are milliseconds
 * since 1970.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const Count = Schema.Int
const Millis = Schema.Finite
const Text = Schema.optional(Schema.String)

/**
 * A feature that the console has, or the reason why it has it not and what to do.
 *
 * @category models
 * @since 0.1.0
 */
export const Feature = Schema.Struct({ available: Schema.Boolean, reason: Text })

/**
 * The nature of this console, and its features.
 *
 * @category models
 * @since 0.1.0
 */
export const Session = Schema.Struct({
  title: Schema.String,
  version: Schema.String,
  /** Such as `in memory` or `RabbitMQ at localhost:5672`. It has no secret. */
  broker: Schema.String,
  startedAt: Millis,
  readOnly: Schema.Boolean,
  bodies: Schema.Literals(["show", "hide", "redact"]),
  /** The name of the operator, where `access` gives one. */
  operator: Text,
  /** The package of the contract, if there is one. */
  contract: Schema.optional(Schema.Struct({ title: Schema.String, version: Schema.String })),
  /** The flags that every copied command needs, such as `--module ./bus.ts`. */
  flags: Schema.Array(Schema.String),
  features: Schema.Struct({
    topology: Feature,
    explain: Feature,
    contracts: Feature,
    doctor: Feature,
    outbox: Feature,
    schedule: Feature,
    pause: Feature,
    rates: Feature
  })
})

/**
 * The health of the bus.
 *
 * @category models
 * @since 0.1.0
 */
export const Health = Schema.Struct({
  status: Schema.Literals(["healthy", "degraded", "unhealthy"]),
  connected: Schema.Boolean,
  details: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
})

/**
 * The state of a subscription that runs in the server's process.
 *
 * @category models
 * @since 0.1.0
 */
export const SubscriptionState = Schema.Struct({
  queue: Schema.String,
  state: Schema.Literals(["running", "paused", "probing"]),
  by: Text,
  since: Schema.optional(Millis),
  until: Schema.optional(Millis)
})

/**
 * A queue with its counts.
 *
 * @category models
 * @since 0.1.0
 */
export const Queue = Schema.Struct({
  name: Schema.String,
  /** Whether the queue is on the broker. */
  exists: Schema.Boolean,
  messages: Count,
  consumers: Count,
  /** Absent where the queue has no queue of dead letters. */
  deadLetters: Schema.optional(Count),
  /** The consumers of the dead letters. A look would disturb them. */
  deadLetterConsumers: Schema.optional(Count),
  /** The states of its subscriptions in the server's process. */
  subscriptions: Schema.Array(SubscriptionState)
})

/**
 * Events per second, by the metrics of the server's process. They are those of all buses
 * of the process, and know nothing of other processes.
 *
 * @category models
 * @since 0.1.0
 */
export const Rates = Schema.Struct({
  at: Millis,
  /** The time over which they were counted, in milliseconds. */
  over: Millis,
  published: Schema.Finite,
  /** The queues that the process handles. */
  queues: Schema.Array(
    Schema.Struct({
      queue: Schema.String,
      handled: Schema.Finite,
      failed: Schema.Finite
    })
  )
})

/**
 * The state of the bus and its queues at a time.
 *
 * @category models
 * @since 0.1.0
 */
export const Pulse = Schema.Struct({
  at: Millis,
  health: Health,
  queues: Schema.Array(Queue),
  /** Absent where the process handles no queue, or was not observed for long enough. */
  rates: Schema.optional(Rates),
  /** Why the counts are those of `at` and not newer: the latest failure to read them. */
  failure: Text
})

/**
 * A subscription of the contract.
 *
 * @category models
 * @since 0.1.0
 */
export const Subscription = Schema.Struct({
  patterns: Schema.Array(Schema.String),
  events: Schema.Array(Schema.String),
  guarantee: Schema.Literals(["at-least-once", "at-most-once"]),
  concurrency: Schema.optional(Count),
  prefetch: Schema.optional(Count),
  messageTtl: Schema.optional(Millis),
  deadLetterQueue: Text,
  /** The answer to failures, in words, one line for each kind. Empty where the contract has no handler. */
  policy: Schema.Array(Schema.String)
})

/**
 * A binding of a queue to an exchange.
 *
 * @category models
 * @since 0.1.0
 */
export const Binding = Schema.Struct({
  exchange: Schema.String,
  /** The routing key, or the pattern of routing keys. */
  key: Schema.String,
  /**
   * Whether the broker has it, and whether the contract asks for it. It is `unseen` where
   * the contract asks for it and the management API did not tell.
   */
  state: Schema.Literals(["there", "missing", "unseen", "unwanted"])
})

/**
 * The bindings of a queue, as the management API and the contract know them.
 *
 * @category models
 * @since 0.1.0
 */
export const Bindings = Schema.Struct({
  at: Millis,
  source: Schema.Literals(["management", "contract"]),
  all: Schema.Array(Binding),
  /** Why the management API did not tell. */
  failure: Text
})

/**
 * A queue with what the contract says about it.
 *
 * @category models
 * @since 0.1.0
 */
export const QueueDetail = Schema.Struct({
  at: Millis,
  queue: Queue,
  /** Absent where neither the management API nor a contract tells of them. */
  bindings: Schema.optional(Bindings),
  /** The subscriptions of the contract, or none without one. */
  contract: Schema.Array(Subscription)
})

/**
 * Dead letters of the same failure, in a snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export const Group = Schema.Struct({
  /** Absent, like the reason, where the dead letters have no fault. */
  fingerprint: Text,
  reason: Text,
  type: Text,
  count: Count,
  /** The number of keys of an ordered subscription that they have, if any, and the key where there is one. */
  keys: Schema.optional(Count),
  key: Text,
  first: Schema.optional(Millis),
  last: Schema.optional(Millis),
  sample: Schema.Struct({ id: Schema.String, message: Schema.String })
})

/**
 * A look at the dead letters of a queue, which the server keeps for a while.
 *
 * @category models
 * @since 0.1.0
 */
export const Snapshot = Schema.Struct({
  id: Schema.String,
  queue: Schema.String,
  takenAt: Millis,
  /** How long the look took, in milliseconds. */
  took: Millis,
  looked: Count,
  waiting: Count,
  /** The dead letters in the snapshot. */
  count: Count,
  bytes: Count,
  /** Why not all that wait are there, if so. */
  note: Text,
  groups: Schema.Array(Group),
  /** The event types that occur, and the reasons, for filters. */
  types: Schema.Array(Schema.String),
  reasons: Schema.Array(Schema.String)
})

/**
 * A dead letter as a row of a list.
 *
 * @category models
 * @since 0.1.0
 */
export const Summary = Schema.Struct({
  /** Its place in the snapshot, from 0, the oldest first. */
  index: Count,
  id: Schema.String,
  type: Text,
  reason: Text,
  /** At most 200 characters. */
  message: Schema.String,
  fingerprint: Text,
  /** The key of an ordered subscription. */
  key: Text,
  attempts: Count,
  round: Count,
  firstFailedAt: Schema.optional(Millis),
  lastFailedAt: Schema.optional(Millis),
  bytes: Count
})

/**
 * A part of the dead letters of a snapshot that match a filter.
 *
 * @category models
 * @since 0.1.0
 */
export const Page = Schema.Struct({
  snapshot: Schema.String,
  offset: Count,
  /** The number of all that match. */
  matching: Count,
  items: Schema.Array(Summary)
})

/**
 * A body. JSON is given as the text that was published.
 *
 * @category models
 * @since 0.1.0
 */
export const Body = Schema.Union([
  Schema.TaggedStruct("Json", { text: Schema.String, isCut: Schema.Boolean }),
  Schema.TaggedStruct("Text", { text: Schema.String, isCut: Schema.Boolean }),
  Schema.TaggedStruct("Bytes", { base64: Schema.String, isCut: Schema.Boolean }),
  Schema.TaggedStruct("Hidden", { message: Schema.String })
])

/**
 * A dead letter with all that is known of it.
 *
 * @category models
 * @since 0.1.0
 */
export const DeadLetter = Schema.Struct({
  ...Summary.fields,
  snapshot: Schema.String,
  queue: Schema.String,
  /** Not cut, unlike that of a summary. */
  message: Schema.String,
  stack: Text,
  host: Text,
  /** The id of the first dead letter of its key, if that is another one. */
  behind: Text,
  routingKey: Schema.String,
  origin: Schema.optional(Schema.Struct({ queue: Schema.String, exchange: Text })),
  source: Text,
  timestamp: Schema.optional(Millis),
  priority: Schema.String,
  version: Schema.optional(Count),
  traceId: Text,
  traceparent: Text,
  parentEventId: Text,
  contentType: Text,
  contentEncoding: Text,
  body: Body,
  /** The payload of the event as JSON text, where the body is an event, for an edit. */
  payload: Text,
  /** Whether the contract has a schema of its type, which checks an edit. */
  hasSchema: Schema.Boolean
})
