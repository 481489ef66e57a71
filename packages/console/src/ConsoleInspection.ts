/**
 * The traces, topology, contracts, checks and databases that the console shows. Times are
 * milliseconds since 1970.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const Count = Schema.Int
const Millis = Schema.Finite
const Text = Schema.optional(Schema.String)

/**
 * An event of a trace.
 *
 * @category models
 * @since 0.1.0
 */
export const TraceNode = Schema.Struct({
  eventId: Schema.String,
  eventType: Schema.String,
  source: Text,
  timestamp: Millis,
  priority: Schema.String,
  /** The event that caused it, if that was seen. */
  parent: Text,
  /** 0 for a root. */
  depth: Count,
  sightings: Schema.Array(
    Schema.Struct({
      queue: Schema.String,
      /** The queue that dead-lettered it, where `queue` is one of dead letters. */
      deadLetterOf: Text,
      attempt: Count,
      /** Present where it is a dead letter. */
      fault: Schema.optional(
        Schema.Struct({ reason: Schema.String, message: Schema.String, attempts: Count, at: Millis })
      )
    })
  )
})

/**
 * A trace as far as it was seen. Each node stands after its parent, and siblings in the
 * order of time.
 *
 * @category models
 * @since 0.1.0
 */
export const Trace = Schema.Struct({
  id: Schema.String,
  /** The time since when it is followed. Earlier events show only as dead letters. */
  since: Millis,
  seen: Count,
  /** Whether the limit of 1,000 is reached. */
  isFull: Schema.Boolean,
  nodes: Schema.Array(TraceNode)
})

/**
 * An event as it was published.
 *
 * @category models
 * @since 0.1.0
 */
export const Tailed = Schema.Struct({
  /** Counts up, for keys of a list. */
  number: Count,
  at: Millis,
  routingKey: Schema.String,
  id: Text,
  type: Text,
  source: Text,
  traceId: Text,
  priority: Schema.String,
  bytes: Count,
  /** The body as text, at most 2,000 characters; absent where bodies are hidden. */
  body: Text
})

/**
 * An item of the topology, with its state on the broker.
 *
 * @category models
 * @since 0.1.0
 */
export const Finding = Schema.Struct({
  kind: Schema.Literals(["exchange", "queue", "binding"]),
  name: Schema.String,
  /** Whether the application declares it. */
  isOurs: Schema.Boolean,
  state: Schema.Literals(["there", "missing", "different", "unseen", "hidden", "unwanted"]),
  /** The differences, or why it could not be seen. */
  details: Schema.Array(Schema.String)
})

/**
 * A node of the graph of the topology.
 *
 * @category models
 * @since 0.1.0
 */
export const GraphNode = Schema.Struct({
  id: Schema.String,
  kind: Schema.Literals(["exchange", "queue", "dead-letter-queue"]),
  name: Schema.String
})

/**
 * An arrow of the graph of the topology.
 *
 * @category models
 * @since 0.1.0
 */
export const GraphEdge = Schema.Struct({ from: Schema.String, to: Schema.String, label: Schema.String })

/**
 * The topology that the contract needs, and what is on the broker.
 *
 * @category models
 * @since 0.1.0
 */
export const Topology = Schema.Struct({
  at: Millis,
  /** `undefined` where the broker was not asked, such as one in memory. */
  findings: Schema.Array(Finding),
  /** Such as `2 missing, 1 different`; empty where all is as it should be. */
  summary: Schema.String,
  graph: Schema.Struct({ nodes: Schema.Array(GraphNode), edges: Schema.Array(GraphEdge) })
})

/**
 * The fate of an event whose handler fails in a given way.
 *
 * @category models
 * @since 0.1.0
 */
export const Outcome = Schema.Struct({
  failure: Schema.String,
  /** The shortest and the longest delay before each retry, in milliseconds. At most 20. */
  delays: Schema.Array(Schema.Struct({ least: Millis, most: Millis })),
  pauses: Schema.Array(Schema.Struct({ least: Millis, most: Millis })),
  isEndless: Schema.Boolean,
  isUpToEvent: Schema.Boolean,
  isUpToTime: Schema.Boolean,
  end: Schema.Literals(["dead-lettered", "discarded", "acknowledged", "requeued", "paused", "unknown"]),
  /** The whole in a sentence. */
  text: Schema.String
})

/**
 * A queue that receives the events of a routing key.
 *
 * @category models
 * @since 0.1.0
 */
export const Receiver = Schema.Struct({
  queue: Schema.String,
  patterns: Schema.Array(Schema.String),
  isKnownType: Schema.Boolean,
  atMostOnce: Schema.Boolean,
  /** The longest time for which an ordered event is retried in its place. Absent where there is no order. */
  holdFor: Schema.optional(Millis),
  concurrency: Schema.optional(Count),
  timeout: Schema.optional(Millis),
  deadLetterQueue: Text,
  waitQueues: Schema.Array(Schema.String),
  /** Absent where the contract has no handler of the queue. */
  outcomes: Schema.optional(Schema.Array(Outcome))
})

/**
 * The queues that receive the events of a routing key, and what becomes of failures.
 *
 * @category models
 * @since 0.1.0
 */
export const Explanation = Schema.Struct({ routingKey: Schema.String, receivers: Schema.Array(Receiver) })

/**
 * An event type of the contract.
 *
 * @category models
 * @since 0.1.0
 */
export const ContractType = Schema.Struct({
  name: Schema.String,
  version: Schema.optional(Count),
  /** The queues that receive it. */
  queues: Schema.Array(Schema.String)
})

/**
 * The contract of the application, with its AsyncAPI document.
 *
 * @category models
 * @since 0.1.0
 */
export const Contracts = Schema.Struct({
  title: Schema.String,
  version: Schema.String,
  types: Schema.Array(ContractType),
  /** The AsyncAPI document, in JSON. */
  asyncApi: Schema.Json
})

/**
 * A check of the doctor.
 *
 * @category models
 * @since 0.1.0
 */
export const Check = Schema.Struct({
  check: Schema.String,
  status: Schema.Literals(["ok", "warn", "fail", "skip"]),
  detail: Schema.String,
  /** The thing to do. Absent where all is well. */
  advice: Text
})

/**
 * A diagnosis of the broker.
 *
 * @category models
 * @since 0.1.0
 */
export const Diagnosis = Schema.Struct({ at: Millis, took: Millis, checks: Schema.Array(Check) })

/**
 * The outbox of the application.
 *
 * @category models
 * @since 0.1.0
 */
export const Outbox = Schema.Struct({
  at: Millis,
  waiting: Count,
  /** The age of the oldest that waits, in milliseconds. */
  oldest: Schema.optional(Millis),
  parkedCount: Count,
  /** The first hundred that are parked. */
  parked: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      type: Schema.String,
      key: Text,
      bytes: Count,
      parkedAt: Millis,
      reason: Schema.String
    })
  )
})

/**
 * The scheduled events of the application: the first hundred, the next first.
 *
 * @category models
 * @since 0.1.0
 */
export const Schedule = Schema.Struct({
  at: Millis,
  events: Schema.Array(Schema.Struct({ id: Schema.String, type: Schema.String, key: Text, due: Millis }))
})
