/**
 * Events that commit with the data of the application.
 *
 * A service that writes to its database and then publishes loses the event when it dies
 * in between, and publishes what was rolled back when it does so in the other order. An
 * outbox is a table: the event is written in the transaction of the data, and a relay
 * publishes it after the commit, at least once.
 *
 * @since 0.1.0
 */

import * as Broker from "effect-eventbus/Broker"
import * as Correlation from "effect-eventbus/Correlation"
import * as Event from "effect-eventbus/Event"
import * as EventBus from "effect-eventbus/EventBus"
import * as EventCodec from "effect-eventbus/EventCodec"
import * as PublishError from "effect-eventbus/PublishError"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Bell from "./internal/Bell.ts"
import * as Claims from "./internal/claims.ts"
import * as Due from "./internal/Due.ts"
import * as Notifications from "./internal/notifications.ts"
import * as OutboxMetrics from "./internal/outboxMetrics.ts"
import * as OutboxRow from "./internal/OutboxRow.ts"
import * as OutboxTable from "./internal/OutboxTable.ts"
import * as Relay from "./internal/relay.ts"
import * as ScheduleTable from "./internal/ScheduleTable.ts"
import * as Traces from "./internal/traces.ts"
import { Tables } from "./Tables.ts"

/**
 * A publish outside of a transaction, which the outbox refuses: it would commit alone.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoTransaction extends Schema.TaggedError<NoTransaction>("@effect-eventbus/sql/NoTransaction")(
  "NoTransaction",
  { eventId: Schema.String, eventType: Schema.String }
) {
  override get message(): string {
    return `The event ${this.eventId} (${this.eventType}) was not published: no transaction is open. Publish it inside of sql.withTransaction or Inbox.once`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The errors of a publish into the outbox.
 *
 * @category errors
 * @since 0.1.0
 */
export type OutboxError = SqlError | PublishError.PublishError | NoTransaction

/**
 * Options of a publish into the outbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions extends EventBus.PublishOptions {
  /**
   * The events of a key are published in the order of their commits. On PostgreSQL, a
   * transaction holds the lock of the key until it ends, so take one key in a
   * transaction, or take them in the same order everywhere. Default: no order.
   */
  readonly key?: string | undefined
}

/**
 * The state of the outbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** The number of events that wait for a relay. */
  readonly waiting: number
  /** The time that the oldest of them has waited. */
  readonly oldest: Option.Option<Duration.Duration>
  /** The number of events that the broker refused for good, with those behind them. */
  readonly parked: number
}

/**
 * Options of the outbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The largest body, in bytes, up to 15 MiB. Give it the limit of your broker. Default: 4 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** The age of the oldest waiting event from which on the bus is `degraded`. Default: 1 minute. */
  readonly tooOld?: Duration.Input | undefined
}

/**
 * Options of a relay.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayOptions {
  /** The number of events that a claim takes at most, from 1 to 1000. A crash publishes up to two claims twice. Default: 500. */
  readonly batch?: number | undefined
  /** The time between two looks at the table when nothing wakes the relay. Default: 1 second. */
  readonly poll?: Duration.Input | undefined
}

/**
 * The outbox.
 *
 * @category services
 * @since 0.1.0
 */
export class Outbox extends Context.Service<
  Outbox,
  {
    /** Writes an event in the transaction of the caller. A relay publishes it after the commit. */
    readonly publish: (event: Event.Event, options?: PublishOptions) => Effect.Effect<void, OutboxError>
    /** Writes many events in the transaction of the caller, in their order. */
    readonly publishAll: (events: Iterable<Event.Event>, options?: PublishOptions) => Effect.Effect<void, OutboxError>
    /** Writes an event in the transaction of the caller, for a later time. `Scheduler.publishAt` calls it. */
    readonly publishAt: (event: Event.Event, due: Due.Due, options?: PublishOptions) => Effect.Effect<void, OutboxError>
    readonly stats: Effect.Effect<Stats, SqlError>
    /** Adds the state of the outbox to a health: `degraded` when the oldest event is too old. */
    readonly inspect: (health: Broker.Health) => Effect.Effect<Broker.Health>
    /** Wakes the relays, those of this process first. */
    readonly wake: Effect.Effect<void>
    /** Wakes the relays of this process. */
    readonly bell: Bell.Bell
  }
>()("@effect-eventbus/sql/Outbox") {}

/** Below the largest message that the client of PostgreSQL takes. */
const maxBodyLimit = 15 * 1024 * 1024

const whole = (name: string, value: number, least: number, most: number): number => {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(`${name} must be a whole number from ${least} to ${most}, and is ${value}`)
}

/**
 * Makes an outbox on the tables. Throws a `RangeError` for an option that is out of
 * range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const maxBodyBytes = whole("maxBodyBytes", options.maxBodyBytes ?? 4 * 1024 * 1024, 1, maxBodyLimit)
  const tooOld = Duration.toMillis(Duration.fromInputUnsafe(options.tooOld ?? "1 minute"))
  const tables = yield* Tables
  const { sql } = tables
  const table = OutboxTable.make(tables)
  const schedule = ScheduleTable.make(tables)
  const bell = Bell.make()
  const notify = yield* Notifications.sender(tables)
  // A relay of this process is nearer than those of others.
  const wake = Effect.sync(() => (bell.isHeard() ? bell.ring() : notify()))

  const encode = (event: Event.Event, options: PublishOptions | undefined, traceparent: string | undefined) => {
    const { eventId, eventType } = event
    const routingKey = RoutingKey.check(options?.routingKey ?? RoutingKey.make(eventType, event.priority))
    const encoded = EventCodec.toEnvelope(event, { routingKey, persistent: options?.persistent ?? true, traceparent })
    const refused = (reason: PublishError.Reason) =>
      Result.fail(new PublishError.PublishError({ eventId, eventType, reason }))
    if (Result.isFailure(encoded)) return refused(encoded.failure)
    const bytes = encoded.success.body.length
    return bytes > maxBodyBytes
      ? refused(new PublishError.TooLarge({ bytes, limit: maxBodyBytes }))
      : Result.succeed(
          OutboxRow.make(encoded.success, { key: options?.key, unroutable: options?.unroutable ?? "ignore" })
        )
  }

  const insertOf = (options: PublishOptions | undefined) => {
    const due = Due.of(options)
    return due === undefined ? table.insert : later(due)
  }

  const later = (due: Due.Due) => (rows: ReadonlyArray<OutboxRow.NewRow>) =>
    Effect.forEach(rows, (row) => schedule.insert(row, due), { discard: true })

  const write = (
    events: ReadonlyArray<Event.Event>,
    insert: (rows: ReadonlyArray<OutboxRow.NewRow>) => Effect.Effect<void, SqlError>,
    options?: PublishOptions
  ): Effect.Effect<void, OutboxError> =>
    Effect.withFiber((fiber): Effect.Effect<void, OutboxError> => {
      const [first] = events
      if (first === undefined) return Effect.void
      if (Option.isNone(Context.getOption(fiber.context, sql.transactionService))) {
        return Effect.fail(new NoTransaction({ eventId: first.eventId, eventType: first.eventType }))
      }
      const correlation = fiber.getRef(Correlation.Current)
      const traceparent = Traces.traceparentOf(fiber)
      const rows: Array<OutboxRow.NewRow> = []
      for (const event of events) {
        const row = encode(Event.correlate(event, correlation), options, traceparent)
        if (Result.isFailure(row)) return Effect.fail(row.failure)
        rows.push(row.success)
      }
      return Effect.andThen(insert(rows), sql.afterCommit(wake))
    })

  const inspect = (health: Broker.Health): Effect.Effect<Broker.Health> => {
    const status = health.status === "healthy" ? "degraded" : health.status
    return Effect.match(table.stats, {
      onFailure: () => ({ ...health, status, details: { ...health.details, outbox: "cannot be read" } }),
      onSuccess: ({ oldest = 0, parked, waiting }) => {
        const details = { ...health.details, outboxWaiting: waiting, outboxParked: parked }
        return oldest <= tooOld
          ? { ...health, details }
          : {
              ...health,
              status,
              details: { ...details, outbox: `the oldest event waits for ${Math.round(oldest / 1000)} s` }
            }
      }
    })
  }

  return Outbox.of({
    inspect,
    publish: (event, options) => write([event], insertOf(options), options),
    publishAll: (events, options) => Effect.suspend(() => write(Array.from(events), insertOf(options), options)),
    publishAt: (event, due, options) => write([event], later(due), options),
    wake,
    stats: Effect.map(table.stats, ({ oldest, parked, waiting }) => ({
      waiting,
      oldest: Option.map(Option.fromUndefinedOr(oldest), Duration.millis),
      parked
    })),
    bell
  })
})

/**
 * Writes an event in the transaction of the caller. A relay publishes it after the
 * commit, at least once and with the same event id.
 *
 * **Details**
 *
 * The event is encoded at once: a payload that its schema refuses, or that is over the
 * limit, fails here and rolls the transaction back. A rollback takes the event with it,
 * also one to a savepoint. Outside of a transaction the publish fails with
 * `NoTransaction`. A `delay` or `deliverAt` schedules the event, as `Scheduler.publishAt`
 * does: the delay counts from the publish. Throws a `RangeError` for a routing key of more
 * than 255 bytes, and for a delay and a time at once.
 *
 * **Example** (An order and its event)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { SqlClient } from "effect/sql"
 * import { EventType } from "effect-eventbus"
 * import { NodeSqlite, Outbox, Tables } from "@effect-eventbus/sql"
 *
 * const OrderPlaced = EventType.make("order.placed", { payload: Schema.Struct({ orderId: Schema.String }) })
 *
 * const place = Effect.fn("place")(function* (orderId: string) {
 *   const sql = yield* SqlClient.SqlClient
 *   const placed = yield* OrderPlaced.event({ orderId })
 *   yield* sql.withTransaction(
 *     Effect.andThen(sql`INSERT INTO orders ${sql.insert({ id: orderId })}`, Outbox.publish(placed, { key: orderId }))
 *   )
 * })
 *
 * const Sql = NodeSqlite.layer({ filename: ":memory:" })
 * const App = Outbox.layer().pipe(Layer.provide(Tables.layerMigrated()), Layer.provideMerge(Sql))
 *
 * const program = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   yield* sql`CREATE TABLE orders (id TEXT PRIMARY KEY)`
 *   yield* place("o-1")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, App))
 * ```
 *
 * @category publishing
 * @since 0.1.0
 */
export const publish = (event: Event.Event, options?: PublishOptions): Effect.Effect<void, OutboxError, Outbox> =>
  Effect.flatMap(Outbox, (outbox) => outbox.publish(event, options))

/**
 * Writes many events in the transaction of the caller, in their order.
 *
 * @category publishing
 * @since 0.1.0
 */
export const publishAll = (
  events: Iterable<Event.Event>,
  options?: PublishOptions
): Effect.Effect<void, OutboxError, Outbox> => Effect.flatMap(Outbox, (outbox) => outbox.publishAll(events, options))

/**
 * Returns the state of the outbox.
 *
 * @category getters
 * @since 0.1.0
 */
export const stats: Effect.Effect<Stats, SqlError, Outbox> = Effect.flatMap(Outbox, (outbox) => outbox.stats)

/**
 * A layer with the outbox. It needs a relay, here or in another process: `layerRelay`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Outbox, never, Tables> => Layer.effect(Outbox, make(options))

/** A bus has one error, so what the database says becomes its reason. */
const toPublishError =
  ({ eventId, eventType }: Event.Event) =>
  (error: OutboxError): PublishError.PublishError => {
    if (error._tag === "PublishError") return error
    const detail = error._tag === "NoTransaction" ? "no transaction is open" : `the outbox failed: ${error.message}`
    const reason = error.isRetryable
      ? new PublishError.Disconnected({ detail, millis: 0 })
      : new PublishError.Refused({ detail })
    return new PublishError.PublishError({ eventId, eventType, reason })
  }

/**
 * A layer with a bus whose `publish` writes to the outbox, and whose health tells of it.
 * All else is that of the bus below it: a request goes to the broker at once. So the same
 * code becomes transactional by a layer.
 *
 * **Details**
 *
 * What the database refuses is a `PublishError` with the reason `Disconnected` if a
 * retry may help, otherwise `Refused`. So is a publish outside of a transaction.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBus: Layer.Layer<EventBus.EventBus, never, Outbox | EventBus.EventBus> = Layer.fresh(
  Layer.effect(
    EventBus.EventBus,
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const bus = yield* EventBus.EventBus
      return EventBus.EventBus.of({
        ...bus,
        health: Effect.flatMap(bus.health, outbox.inspect),
        publish: (event, options) => Effect.mapError(outbox.publish(event, options), toPublishError(event)),
        publishAll: (events, options) =>
          Effect.suspend(() => {
            const all = Array.from(events)
            const [first] = all
            return first === undefined
              ? Effect.void
              : Effect.mapError(outbox.publishAll(all, options), toPublishError(first))
          })
      })
    })
  )
)

/**
 * A layer that moves the events of the outbox to the broker. Run as many as you wish,
 * in any process.
 *
 * **Details**
 *
 * A relay claims rows, publishes them, waits until the broker has them safe, and deletes
 * them. A relay that dies leaves its rows to the others, so an event may be published
 * twice, with the same event id. `Inbox.once` makes that one effect.
 *
 * The relay is woken by a commit in its process, on PostgreSQL also by those of others,
 * and looks at the table every second in any case. While the broker is down, no
 * transaction is open. What the broker refuses for good is parked with its reason, and
 * the events behind it with the same key, too. On SQLite, which has one writer at a
 * time, one relay works, and another takes over within ten seconds.
 *
 * Throws a `RangeError` for an option that is out of range.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRelay = (options: RelayOptions = {}): Layer.Layer<never, never, Outbox | Tables | Broker.Broker> => {
  const batch = whole("batch", options.batch ?? 500, 1, 1000)
  const poll = Duration.fromInputUnsafe(options.poll ?? "1 second")
  return Layer.effectDiscard(
    Effect.gen(function* () {
      const tables = yield* Tables
      const { bell } = yield* Outbox
      const broker = yield* Broker.Broker
      yield* Notifications.receive(tables, bell)
      yield* OutboxMetrics.start(OutboxTable.make(tables).stats)
      yield* Relay.start({
        batch,
        poll,
        bell,
        broker,
        claims: yield* Claims.make(tables),
        promote: ScheduleTable.make(tables).promote
      })
    })
  )
}
