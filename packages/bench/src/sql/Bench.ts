/** The ground of all sections: the sample events, the place, and what empties a table. */
import * as Outbox from "@effect-eventbus/sql/Outbox"
import * as Broker from "effect-eventbus/Broker"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { payloads, SampleEvent } from "../SampleEvent.ts"

const payload = payloads(512)

export const sampleEvent = (n: number) => SampleEvent.event(payload(n))

export interface Options {
  readonly rounds: number
  readonly events: number
  readonly backlog: number
}

/** The place of a run. Nothing takes the events of the queue: a consumer would have a share in what is measured. */
export interface Place {
  readonly url: string
  readonly schema: string
  readonly queue: string
}

export const sampleEvents = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    sampleEvent
  )

/** Runs a relay until it has published a number of events and ended their claims. */
export const relayAll = (count: number) =>
  Effect.gen(function* () {
    const broker = yield* Broker.Broker
    const done = yield* Deferred.make<void>()
    let left = count
    const counting = Broker.Broker.of({
      ...broker,
      publish: (envelope) =>
        Effect.tap(broker.publish(envelope), () => (--left === 0 ? Deferred.succeed(done, undefined) : Effect.void))
    })
    const relay = Layer.fresh(Outbox.layerRelay()).pipe(Layer.provide(Layer.succeed(Broker.Broker, counting)))
    return yield* Effect.andThen(Layer.build(relay), Deferred.await(done))
  }).pipe(Effect.scoped)
