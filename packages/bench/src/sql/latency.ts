/** The time from the begin of a transaction to the handling of its event. */
import { randomUUID } from "node:crypto"
import * as Outbox from "@effect-eventbus/sql/Outbox"
import type * as Event from "effect-eventbus/Event"
import * as EventBus from "effect-eventbus/EventBus"
import * as Handler from "effect-eventbus/Handler"
import * as Subscription from "effect-eventbus/Subscription"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { SampleEvent } from "../SampleEvent.ts"
import { sampleEvent } from "./Bench.ts"
import type { Options } from "./Bench.ts"
import * as Rounds from "./Rounds.ts"

export const latency = Effect.fnUntraced(function* ({ rounds }: Options) {
  const samples = rounds * 100
  yield* Console.log(`\nBegin of a transaction to the handling of its event, one at a time, ${samples} of each`)
  const sql = yield* SqlClient.SqlClient
  const bus = yield* EventBus.EventBus
  const waiting = new Map<string, Deferred.Deferred<void>>()
  const subscription = Subscription.make(`latency-${randomUUID()}`, { events: [SampleEvent], temporary: true })
  yield* bus.subscribe(
    Handler.make(subscription, ({ eventId }) => {
      const done = waiting.get(eventId)
      waiting.delete(eventId)
      return done === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(done, undefined))
    })
  )
  yield* Layer.build(Layer.fresh(Outbox.layerRelay()))

  const order = (n: number) => sql`INSERT INTO orders ${sql.insert({ id: randomUUID(), n })}`
  const handled = (publish: (event: Event.Event, n: number) => Effect.Effect<unknown, unknown, Outbox.Outbox>) =>
    Effect.fnUntraced(function* (n: number) {
      const event = yield* sampleEvent(n)
      const done = yield* Deferred.make<void>()
      waiting.set(event.eventId, done)
      return yield* Rounds.timed(Effect.andThen(publish(event, n), Deferred.await(done)))
    })
  const ways = [
    { name: "bus.publish", one: handled((event) => bus.publish(event)) },
    {
      name: "an order, then bus.publish",
      one: handled((event, n) => Effect.andThen(sql.withTransaction(order(n)), bus.publish(event)))
    },
    {
      name: "an order and an event",
      one: handled((event, n) => sql.withTransaction(Effect.andThen(order(n), Outbox.publish(event))))
    }
  ].map((way) => ({ ...way, millis: new Array<number>() }))
  for (let sample = -50; sample < samples; sample++) {
    for (const { millis, one } of ways) {
      const took = yield* one(sample)
      if (sample >= 0) millis.push(took)
    }
  }
  const p50 = ways.map(({ millis }) => Rounds.median(millis))
  for (const { millis, name } of ways) {
    const [low, high] = [Rounds.median(millis), Rounds.quantile(millis, 0.95)].map((value) => value.toFixed(1))
    yield* Console.log(`${name.padEnd(52)} p50 ${low} ms, p95 ${high} ms`)
  }
  const [publish = Number.NaN, direct = Number.NaN, outbox = Number.NaN] = p50
  yield* Console.log(`  p50 : the same order, then bus.publish = ${(outbox / direct).toFixed(2)} (at most 1.5)`)
  yield* Console.log(`  p50 : bus.publish alone = ${(outbox / publish).toFixed(2)}`)
})
