import { Outbox, Tables } from "@effect-eventbus/sql"
import { Deferred, Effect, Layer, Schema } from "effect"
import { Broker, EventBus, EventType, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import type { Envelope, Event, PublishError } from "effect-eventbus"
import type { SqlClient, SqlError } from "effect/sql"

export const Paid = EventType.make("invoice.paid", { payload: Schema.Struct({ n: Schema.Int }) })
export const Noted = EventType.make("note.taken", { payload: Schema.Struct({ text: Schema.String }) })

export type Publish = (
  envelope: Envelope.Envelope,
  publish: Effect.Effect<void, PublishError.Reason>
) => Effect.Effect<void, PublishError.Reason>

/** A broker in memory whose publishes, and whose health, a test decides on. */
export interface Broken {
  readonly publish?: Publish
  readonly isUp?: () => boolean
}

const around = ({ isUp = () => true, publish = (_, send) => send }: Broken) =>
  Layer.effect(
    Broker.Broker,
    Effect.map(Broker.Broker, (broker) =>
      Broker.Broker.of({
        ...broker,
        publish: (envelope) => publish(envelope, broker.publish(envelope)),
        health: Effect.map(broker.health, (health) => ({ ...health, connected: isUp() }))
      })
    )
  ).pipe(Layer.provide(MemoryBroker.layer()))

/** The bus in memory and the outbox in a database. */
export const layer = (
  client: Layer.Layer<SqlClient.SqlClient, SqlError.SqlError>,
  { broken = {}, outbox }: { readonly broken?: Broken; readonly outbox?: Outbox.Options } = {}
) =>
  Outbox.layer(outbox).pipe(
    Layer.provideMerge(EventBus.layer),
    Layer.provideMerge(around(broken)),
    Layer.provideMerge(Tables.layerMigrated()),
    Layer.provideMerge(client)
  )

/** Runs a relay until the scope closes. */
export const relay = (options?: Outbox.RelayOptions) =>
  Effect.asVoid(Layer.build(Layer.fresh(Outbox.layerRelay({ poll: "50 millis", ...options }))))

/** Collects the events of a subscription to everything. */
export const collect = Effect.fnUntraced(function* (name = "all") {
  const bus = yield* EventBus.EventBus
  const events: Array<Event.Event> = []
  const waiting = new Set<{ readonly count: number; readonly done: Deferred.Deferred<void> }>()
  const handler = Handler.make(Subscription.make(name, { patterns: ["#"] }), (event) =>
    Effect.suspend(() => {
      events.push(event)
      const reached = [...waiting].filter(({ count }) => events.length >= count)
      return Effect.forEach(reached, ({ done }) => Deferred.succeed(done, undefined), { discard: true })
    })
  )
  yield* bus.subscribe(handler)
  return {
    events,
    numbers: () => events.map(({ payload }) => (Schema.is(Paid.payload)(payload) ? payload.n : Number.NaN)),
    /** Waits until so many events have come. */
    until: (count: number) =>
      Effect.gen(function* () {
        const done = yield* Deferred.make<void>()
        if (events.length >= count) return
        waiting.add({ count, done })
        yield* Effect.timeoutOrElse(Deferred.await(done), {
          duration: "100 seconds",
          orElse: () => Effect.die(new Error(`${events.length} of ${count} events came`))
        })
      })
  }
})
