import { EventEmitter } from "node:events"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import { Broker } from "smqp"
import type { Contestant, Session } from "../Contestant.ts"
import * as SampleEvent from "../SampleEvent.ts"

/** A session of something that is done with an event as soon as it is published. */
const synchronous = (publish: () => void, consume: () => void): Session => ({
  publishOne: async () => publish(),
  publish: async (count) => {
    for (let i = 0; i < count; i++) publish()
  },
  consume: async () => consume(),
  close: async () => {}
})

/** Queues in memory, with JSON through them and acknowledgements. */
export const smqp: Contestant = {
  package: "smqp",
  open: async ({ handled, next, topology, scenario }) => {
    const broker = Broker()
    broker.assertExchange("orders", "topic")
    return synchronous(
      () => {
        const { payload, routingKey } = next()
        broker.publish("orders", routingKey, SampleEvent.body(payload).content.toString())
      },
      () => {
        for (const { name, patterns } of topology.queues) {
          broker.assertQueue(name)
          for (const pattern of patterns) broker.bindQueue(name, "orders", pattern)
          broker.consume(
            name,
            (_, message) => {
              handled(JSON.parse(message.content).payload)
              message.ack()
            },
            { prefetch: scenario.prefetch }
          )
        }
      }
    )
  }
}

/** The floor: a function call with a list of listeners in between. */
export const eventEmitter: Contestant = {
  package: "node",
  open: async ({ handled, next }) => {
    const emitter = new EventEmitter()
    return synchronous(
      () => emitter.emit("order", next().payload),
      () => emitter.on("order", handled)
    )
  }
}

/** Effect's `PubSub`, which passes values on as they are. */
export const pubSub: Contestant = {
  package: "effect",
  open: async ({ handled, next, scenario }) => {
    const scope = Scope.makeUnsafe()
    const orders = await Effect.runPromise(PubSub.bounded<SampleEvent.Payload>(scenario.inFlight))
    const publishOne = Effect.suspend(() => PubSub.publish(orders, next().payload))
    const consume = Effect.gen(function* () {
      const subscription = yield* PubSub.subscribe(orders)
      yield* Effect.forkScoped(Effect.forever(Effect.map(PubSub.take(subscription), handled)))
    })
    return {
      publishOne: () => Effect.runPromise(Effect.asVoid(publishOne)),
      publish: (count) => Effect.runPromise(Effect.asVoid(Effect.repeat(publishOne, { times: count - 1 }))),
      consume: () => Effect.runPromise(Scope.provide(consume, scope)),
      close: () => Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}
