import { AmqpBroker, AmqpOptions } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Broker, MemoryBroker } from "effect-eventbus"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"

const url = inject("rabbitUrl")

/** The constants that the contract leaves to each broker. */
const identity = Effect.map(Broker.Broker, ({ destination, maxBodyBytes, system }) => ({
  destination,
  maxBodyBytes,
  system
}))

describe("a broker names its system, its destination and the largest body", () => {
  it.effect("memory", () =>
    Effect.gen(function* () {
      const actual = yield* Effect.provide(identity, MemoryBroker.layer())
      assert.deepStrictEqual(actual, { destination: "", maxBodyBytes: 4_194_304, system: "memory" })
    })
  )

  it.live.skipIf(url === null)("RabbitMQ", () =>
    Effect.gen(function* () {
      const exchange = Leftovers.unique("identity")
      const { deadLetterExchange } = AmqpOptions.settings({ exchange })
      const exchanges = [exchange, deadLetterExchange]
      yield* Effect.addFinalizer(() => Effect.promise(() => Leftovers.remove(url ?? "", { exchanges })))
      const actual = yield* Effect.provide(identity, AmqpBroker.layer({ url: Redacted.make(url ?? ""), exchange }))
      assert.deepStrictEqual(actual, { destination: exchange, maxBodyBytes: 4_194_304, system: "rabbitmq" })
    })
  )
})
