/**
 * All metrics of the bus, declared in one place.
 *
 * They are Effect metrics, so every exporter of a `Metric.MetricRegistry` (Prometheus,
 * OTLP) exports them. A bus or a subscription creates its series at zero when it starts,
 * in the registry that is provided then. The series of an error type starts with the
 * first such error.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/**
 * A function that updates a series: it adds to a counter or a gauge, or records a value
 * in a histogram.
 *
 * @category models
 * @since 0.1.0
 */
export interface Series {
  (value: number): void
}

/**
 * A context that holds a metric registry and nothing else, which makes look-ups fast.
 *
 * @category models
 * @since 0.1.0
 */
export type Registry = Context.Context<never>

/**
 * The current registry.
 *
 * @category getters
 * @since 0.1.0
 */
export const registry: Effect.Effect<Registry> = Effect.withFiberSucceed((fiber) =>
  Context.make(Metric.MetricRegistry, fiber.getRef(Metric.MetricRegistry)).pipe(
    Context.add(Metric.CurrentMetricAttributes, fiber.getRef(Metric.CurrentMetricAttributes))
  )
)

/**
 * A metric and its documentation. Histograms are in seconds, but for that of the sizes of
 * batches.
 *
 * @category models
 * @since 0.1.0
 */
export interface Instrument<Label extends string = never> {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly description: string
  readonly labels: ReadonlyArray<string>
  /** Returns the series with these labels. */
  readonly series: (registry: Registry, labels: { readonly [L in Label]: string }) => Series
}

type Make = (
  name: string,
  options: { readonly description: string; readonly attributes: Metric.Metric.AttributeSet }
) => Metric.Metric<number, unknown>

const instrument =
  (type: Instrument["type"], make: Make) =>
  <const Label extends string = never>(
    name: string,
    description: string,
    labels: ReadonlyArray<Label> = []
  ): Instrument<Label> => ({
    name,
    type,
    description,
    labels,
    series: (registry, attributes) => {
      // A metric looks up its series on every update, which costs more than the update. This does it once.
      const own: Metric.MetricRegistry = new Map()
      make(name, { description, attributes }).valueUnsafe(Context.add(registry, Metric.MetricRegistry, own))
      const shared = Context.get(registry, Metric.MetricRegistry)
      const [entry] = own
      if (entry === undefined) throw new Error(`${name} has no series`)
      const [key, made] = entry
      const metadata = shared.get(key) ?? made
      shared.set(key, metadata)
      const { modify } = metadata.hooks
      return (value) => modify(value, registry)
    }
  })

const counter = instrument("counter", (name, options) => Metric.counter(name, { ...options, incremental: true }))
const gauge = instrument("gauge", (name, options) => Metric.gauge(name, options))
const histogram = (...boundaries: ReadonlyArray<number>) =>
  instrument("histogram", (name, { attributes, description }) =>
    Metric.histogram(name, { description, attributes: { ...attributes, unit: "seconds" }, boundaries })
  )

const ofWork = histogram(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
const ofCounts = instrument("histogram", (name, { attributes, description }) =>
  Metric.histogram(name, { description, attributes, boundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000] })
)
const ofWaiting = histogram(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 86_400)

/**
 * All metrics.
 *
 * **Details**
 *
 * The number of series is bounded. The queues of temporary subscriptions share the label
 * `temporary`. Error types of a queue beyond the first fifty share the label `_OTHER`.
 *
 * **Example** (Reading a counter in a test)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect, Metric } from "effect"
 * import { EventBus, EventType, Metrics } from "effect-eventbus"
 *
 * const Ping = EventType.untyped("ping")
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   yield* bus.publish(yield* Ping.event({}))
 *   const snapshot = yield* Metric.snapshot
 *   const returned = snapshot.find(({ id }) => id === Metrics.all.returned.name)
 *   assert.deepStrictEqual(returned?.state, { count: 1, incremental: true })
 * })
 *
 * await Effect.runPromise(
 *   program.pipe(Effect.provide(EventBus.layerMemory), Effect.provideService(Metric.MetricRegistry, new Map()))
 * )
 * ```
 *
 * @category metrics
 * @since 0.1.0
 */
export const all = {
  published: counter("eventbus_published_total", "Events given to the bus"),
  confirmed: counter("eventbus_confirmed_total", "Events that the broker has stored safely"),
  returned: counter("eventbus_returned_total", "Events that no queue was bound for"),
  nacked: counter("eventbus_nacked_total", "Events that the broker refused"),
  notPublished: counter(
    "eventbus_not_published_total",
    "Events that were not published, or may not have been, for any other reason",
    ["error_type"]
  ),
  inFlight: gauge("eventbus_in_flight", "Publishes that wait for the broker"),
  confirmSeconds: ofWork("eventbus_confirm_seconds", "Time from a publish to its confirmation"),
  delivered: counter("eventbus_delivered_total", "Deliveries taken from a queue", ["queue"]),
  handled: counter("eventbus_handled_total", "Deliveries that were handled", ["queue"]),
  failed: counter("eventbus_failed_total", "Deliveries that could not be decoded, or whose handler failed", [
    "queue",
    "error_type"
  ]),
  retried: counter("eventbus_retried_total", "Failed deliveries that are retried after a delay", ["queue"]),
  deadLettered: counter("eventbus_dead_lettered_total", "Failed deliveries moved to the dead letters", ["queue"]),
  discarded: counter(
    "eventbus_discarded_total",
    "Deliveries discarded by a policy, or because the subscription has no dead letters",
    ["queue"]
  ),
  staleSettlements: counter(
    "eventbus_stale_settlements_total",
    "Deliveries settled after the broker had taken them back"
  ),
  settlementsStalled: gauge("eventbus_settlements_stalled", "Settlements that the broker has refused so far", [
    "queue"
  ]),
  paused: gauge("eventbus_paused", "Subscriptions that are paused, or take one event at a time after a pause", [
    "queue"
  ]),
  handlersRunning: gauge("eventbus_handlers_running", "Deliveries that are being handled", ["queue"]),
  handlerSeconds: ofWork("eventbus_handler_seconds", "Time from a delivery to the end of its handler", ["queue"]),
  criticalSeconds: ofWaiting(
    "eventbus_critical_seconds",
    "Time from an event's timestamp, or from when it was due, to the end of its handling",
    ["queue"]
  ),
  batchEvents: ofCounts("eventbus_batch_events", "Events that a call of a batch handler was given", ["queue"]),
  batchWaitSeconds: ofWork(
    "eventbus_batch_wait_seconds",
    "Time for which the first event of a batch waited for the others",
    ["queue"]
  ),
  requests: counter("eventbus_requests_total", "Requests that ended: with a reply, or by the reason of their failure", [
    "outcome"
  ]),
  requestsWaiting: gauge("eventbus_requests_waiting", "Requests that wait for their reply"),
  requestSeconds: ofWork("eventbus_request_seconds", "Time from a request to its reply"),
  lateReplies: counter("eventbus_late_replies_total", "Replies dropped because no request waits for them any more"),
  replies: counter("eventbus_replies_total", "Replies sent to requesters", ["queue"]),
  undeliveredReplies: counter(
    "eventbus_undelivered_replies_total",
    "Replies whose requester is gone, or that could not be sent in time",
    ["queue"]
  ),
  connections: gauge("eventbus_connections", "Connections to the broker that are up", ["role"]),
  reconnects: counter("eventbus_reconnects_total", "Connections to the broker restored after a loss", ["role"]),
  blocked: gauge("eventbus_blocked", "Connections on which the broker takes no events", ["role"])
} as const

/**
 * Returns the labels of a subscription's series. Temporary queues share one label,
 * because each of their names is used only once.
 *
 * @category metrics
 * @since 0.1.0
 */
export const labelsOf = (queue: {
  readonly name: string
  readonly temporary: boolean
}): { readonly queue: string } => ({
  queue: queue.temporary ? "temporary" : queue.name
})

/** The number of error types with a series of their own. */
const maxErrorTypes = 50

/**
 * Creates a counter with one series for each error type. The number of error types is
 * unbounded, so those beyond the first fifty are counted together as `_OTHER`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const byErrorType = (seriesOf: (errorType: string) => Series): ((errorType: string) => void) => {
  const known = new Map<string, Series>()
  const find = (errorType: string): Series => {
    const found = known.get(errorType)
    if (found !== undefined) return found
    if (known.size >= maxErrorTypes && errorType !== "_OTHER") return find("_OTHER")
    const series = seriesOf(errorType)
    known.set(errorType, series)
    return series
  }
  return (errorType) => find(errorType)(1)
}
