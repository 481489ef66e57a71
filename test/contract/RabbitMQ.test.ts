import { AmqpBroker, AmqpOptions, AmqpTopology } from "@effect-eventbus/amqp"
import { BrokerContract } from "@effect-eventbus/testing"
import { Effect, Redacted } from "effect"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"

const url = inject("rabbitUrl")

/** The delays after which the contract retries, in milliseconds: each has a queue to wait in. */
const delays = [10, 20, 50, 300, 1000, 1500]

BrokerContract.run({
  name: "RabbitMQ",
  features: { durable: true },
  skip: url === null,
  layer: (options, { unique }) =>
    AmqpBroker.layer({ ...options, url: Redacted.make(url ?? ""), exchange: unique("events") }),
  cleanUp: ({ queues, unique }) =>
    Effect.promise(() => {
      const settings = AmqpOptions.settings({ exchange: unique("events") })
      const waits = queues().flatMap((queue) =>
        delays.map((delay) => AmqpTopology.waitQueue(queue, delay, settings).name)
      )
      return Leftovers.remove(url ?? "", {
        queues: [...queues(), ...waits],
        exchanges: [settings.exchange, settings.deadLetterExchange]
      })
    })
})
