import { AmqpBroker, AmqpTopology, AmqpOptions } from "@effect-eventbus/amqp"
import { Effect, Layer, Redacted } from "effect"
import { EventBus, MemoryBroker } from "effect-eventbus"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import { type Harness, Names } from "./Harness.ts"

export const memory: Harness = {
  name: "memory",
  features: { durable: false },
  skip: false,
  bus: (options) => EventBus.layer.pipe(Layer.provide(MemoryBroker.layer(options))),
  names: Layer.succeed(Names, { unique: (base) => base })
}

const url = inject("rabbitUrl")
/** The delays that the tests retry after, in milliseconds. */
const delays = [10, 20, 50, 300, 1000, 1500]

export const rabbitmq: Harness = {
  name: "RabbitMQ",
  features: { durable: true },
  skip: url === null,
  bus: (options) =>
    Layer.unwrap(
      Names.use(({ unique }) =>
        Effect.succeed(
          EventBus.layer.pipe(
            Layer.provide(
              AmqpBroker.layer({
                ...options,
                url: Redacted.make(url ?? ""),
                exchange: unique("events")
              })
            )
          )
        )
      )
    ),
  names: Layer.effect(
    Names,
    Effect.gen(function* () {
      const mine = Leftovers.unique("t")
      const bases = new Set<string>()
      const unique = (base: string) => {
        bases.add(base)
        return `${base}.${mine}`
      }
      yield* Effect.addFinalizer(() =>
        Effect.promise(() => {
          const settings = AmqpOptions.settings({ exchange: unique("events") })
          const queues = [...bases].flatMap((base) => [unique(base), `dlq.${unique(base)}`, `dlq.dlq.${unique(base)}`])
          const waits = queues.flatMap((queue) =>
            delays.map((delay) => AmqpTopology.waitQueue(queue, delay, settings).name)
          )
          return Leftovers.remove(url ?? "", {
            queues: [...queues, ...waits],
            exchanges: [settings.exchange, settings.deadLetterExchange]
          })
        })
      )
      return { unique }
    })
  )
}
