/**
 * The job and the report of one run of one contestant.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

/**
 * The measurements of a run.
 *
 * @category models
 * @since 0.1.0
 */
export const Report = Schema.Struct({
  events: Schema.Int,
  seconds: Schema.Finite,
  /** The CPU time of the process as the operating system counts it, in microseconds. */
  cpu: Schema.Finite,
  /** The most memory that the process ever had, in bytes. */
  memory: Schema.Finite,
  /** From publish to handler, in milliseconds. */
  latency: Schema.optionalKey(Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite })),
  version: Schema.String
})

export type Report = (typeof Report)["Type"]

const ScenarioSchema = Schema.Struct({
  name: Schema.String,
  does: Schema.String,
  broker: Schema.Literals(["rabbitmq", "memory"]),
  isForPeers: Schema.Boolean,
  work: Schema.Literals(["publish", "consume", "both", "paced", "request"]),
  queueType: Schema.Literals(["quorum", "classic"]),
  events: Schema.Int,
  inFlight: Schema.Int,
  prefetch: Schema.Int,
  payloadBytes: Schema.Int,
  queues: Schema.Int,
  patterns: Schema.Int,
  failsEvery: Schema.Int,
  delay: Schema.Int,
  batch: Schema.Int,
  keys: Schema.Int
})

/**
 * The job of a process.
 *
 * @category models
 * @since 0.1.0
 */
export const Job = Schema.Struct({
  contestant: Schema.String,
  scenario: ScenarioSchema,
  url: Schema.String,
  /** Names the topology. */
  id: Schema.String,
  /** A file for a CPU profile of what is measured. */
  profile: Schema.optionalKey(Schema.String)
})

export type Job = (typeof Job)["Type"]
