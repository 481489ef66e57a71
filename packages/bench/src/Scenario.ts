/**
 * The scenarios of the bench, as data.
 *
 * @since 0.1.0
 */

/**
 * One thing to be fast at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario {
  readonly name: string
  /** A description for the reader of the results. */
  readonly does: string
  readonly broker: "rabbitmq" | "memory"
  /** Whether peers take part when `--peer` names none. */
  readonly isForPeers: boolean
  /**
   * `paced` publishes at a fixed rate while it consumes, and measures how long each event
   * takes. `request` waits for the reply to each event, and measures how long that takes.
   */
  readonly work: "publish" | "consume" | "both" | "paced" | "request"
  readonly queueType: "quorum" | "classic"
  /** The number of measured events. */
  readonly events: number
  /** The number of unconfirmed publishes at once. */
  readonly inFlight: number
  readonly prefetch: number
  readonly payloadBytes: number
  readonly queues: number
  /** The number of patterns that bind each queue. An event matches one pattern of one queue. */
  readonly patterns: number
  /** One event in so many fails at its first attempt; 0 is none. */
  readonly failsEvery: number
  /** The delay of each event, in milliseconds; 0 is none. */
  readonly delay: number
  /** The number of events that are handled together, by a call that takes a millisecond; 1 is no batch. */
  readonly batch: number
  /** The number of keys whose events are handled in their order; 0 is no order. */
  readonly keys: number
}

const defaults = {
  broker: "rabbitmq",
  isForPeers: false,
  work: "both",
  queueType: "quorum",
  events: 20_000,
  inFlight: 1000,
  prefetch: 200,
  payloadBytes: 512,
  queues: 1,
  patterns: 1,
  failsEvery: 0,
  delay: 0,
  batch: 1,
  keys: 0
} as const

const make = (scenario: Pick<Scenario, "name" | "does"> & Partial<Scenario>): Scenario => ({ ...defaults, ...scenario })

/** The same on both kinds of queues. */
const onBoth = (scenario: Parameters<typeof make>[0]): ReadonlyArray<Scenario> => [
  make(scenario),
  make({ ...scenario, name: `${scenario.name}-classic`, queueType: "classic" })
]

/**
 * How many events a second the paced scenarios publish.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pace = 1000

/**
 * The time that a request waits for its reply, in milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const requestTimeout = 60_000

/**
 * The time that a call for a batch takes, in milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const batchMillis = 1

/**
 * The number of such calls at once where each event is handled by itself: the connections
 * of a pool, as the driver of PostgreSQL has by default.
 *
 * @category constructors
 * @since 0.1.0
 */
export const poolSize = 10

/**
 * The longest time that the first event of a batch waits, in milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const batchWithin = 20

/**
 * All scenarios. Where nothing else is said, events of half a KiB go through one
 * quorum queue, 1,000 publishes in flight and a prefetch of 200.
 *
 * @category constructors
 * @since 0.1.0
 */
export const all: ReadonlyArray<Scenario> = [
  ...onBoth({ name: "publish", does: "publishes, 1,000 in flight", isForPeers: true, work: "publish" }),
  ...onBoth({
    name: "one-by-one",
    does: "publishes, each after the confirm of the one before",
    work: "publish",
    inFlight: 1,
    events: 2000
  }),
  ...onBoth({ name: "consume", does: "consumes what waits in a queue", isForPeers: true, work: "consume" }),
  ...onBoth({ name: "both", does: "publishes and consumes at once", isForPeers: true }),
  make({ name: "retry", does: "both, and 1 % of the events fail once and are retried", failsEvery: 100 }),
  make({
    name: "patterns",
    does: "both, with 10 subscriptions of 100 patterns each",
    queues: 10,
    patterns: 100,
    events: 10_000
  }),
  make({ name: "payload-4k", does: "both, with payloads of 4 KiB", payloadBytes: 4096, events: 10_000 }),
  // Not on a quorum queue: to delete one that is still written to segments kills the log of RabbitMQ 3.10 for all of them.
  make({
    name: "payload-64k",
    does: "both, with payloads of 64 KiB",
    queueType: "classic",
    payloadBytes: 65_536,
    events: 2000
  }),
  ...onBoth({ name: "latency", does: "from publish to handler, at 1,000 a second", work: "paced", events: 8000 }),
  ...onBoth({ name: "request", does: "requests and replies, 64 at once", work: "request", inFlight: 64, events: 6000 }),
  ...onBoth({
    name: "request-one-by-one",
    does: "requests, each after the reply to the one before",
    work: "request",
    inFlight: 1,
    events: 600
  }),
  make({
    name: "delay",
    does: "from publish to handler, delayed by 1.5 s, at 1,000 a second",
    work: "paced",
    events: 2000,
    delay: 1500
  }),
  make({
    name: "batch",
    does: "consumes in batches of 100, with a simulated write of 1 ms for each",
    work: "consume",
    batch: 100,
    events: 60_000
  }),
  make({ name: "ordered", does: "consumes the events of 64 keys, each key in order", work: "consume", keys: 64 }),
  make({
    name: "memory",
    does: "both, in memory and through schemas",
    broker: "memory",
    isForPeers: true,
    events: 100_000
  })
]

/**
 * A question of growth: what an event costs as one thing gets larger.
 *
 * @category models
 * @since 0.1.0
 */
export interface Series {
  readonly name: string
  /** The quantity that grows. */
  readonly of: string
  readonly broker: Scenario["broker"]
  readonly points: ReadonlyArray<{ readonly x: number; readonly scenario: Scenario }>
}

const series = (
  name: string,
  of: string,
  sizes: ReadonlyArray<number>,
  at: (x: number) => Partial<Scenario>,
  { broker = "rabbitmq" }: { readonly broker?: Scenario["broker"] } = {}
): Series => ({
  name,
  of,
  broker,
  points: sizes.map((x) => ({ x, scenario: make({ name, does: of, broker, queueType: "classic", ...at(x) }) }))
})

const decades = [1, 10, 100, 1000]

/**
 * All series. Those with a broker use classic queues, of which a thousand are no
 * matter.
 *
 * @category constructors
 * @since 0.1.0
 */
export const growth: ReadonlyArray<Series> = [
  series("growth-subscriptions", "subscriptions", decades, (queues) => ({ queues, prefetch: 10 })),
  series("growth-patterns", "patterns of a subscription", decades, (patterns) => ({ patterns })),
  series("growth-prefetch", "prefetch", decades, (prefetch) => ({ prefetch, work: "consume" })),
  series("growth-payload", "bytes of payload", [512, 4096, 32_768, 262_144], (payloadBytes) => ({
    payloadBytes,
    events: Math.round(Math.max(500, 20_000 / (payloadBytes / 512)))
  })),
  series("growth-keys", "keys of an ordered queue", decades, (keys) => ({ keys, work: "consume" })),
  series("growth-events", "events", [10_000, 100_000, 1_000_000], (events) => ({ events })),
  series("growth-memory-subscriptions", "subscriptions", decades, (queues) => ({ queues, prefetch: 10 }), {
    broker: "memory"
  }),
  series("growth-memory-patterns", "patterns of a subscription", decades, (patterns) => ({ patterns }), {
    broker: "memory"
  }),
  series("growth-memory-events", "events", [10_000, 100_000, 1_000_000], (events) => ({ events }), { broker: "memory" })
]
