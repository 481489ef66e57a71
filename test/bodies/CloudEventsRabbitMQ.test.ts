import { AmqpBroker } from "@effect-eventbus/amqp"
import { CloudEvents } from "@effect-eventbus/bodies"
import { BrokerContract } from "@effect-eventbus/testing"
import { describe } from "@effect/vitest"
import { Layer, Redacted } from "effect"
import { inject } from "vitest"
import * as ContractCleanUp from "../support/ContractCleanUp.ts"

const url = inject("rabbitUrl")

/** A busy machine takes longer than the defaults. */
const patient = { connectionTimeout: "1 minute", publishTimeout: "1 minute" } as const

// Each test has names and a bus of its own, and mostly waits for the broker.
describe.concurrent("The contract on RabbitMQ, with CloudEvents", () => {
  for (const mode of ["binary", "structured"] as const) {
    BrokerContract.run({
      name: `RabbitMQ, with ${mode} CloudEvents`,
      features: { durable: true },
      patience: "45 seconds",
      skip: url === null,
      // The contract of the broker itself runs more.
      programs: 4,
      layer: (options, { unique }) =>
        Layer.provide(
          CloudEvents.layer({ mode, source: "/shop" }),
          AmqpBroker.layer({ ...patient, ...options, url: Redacted.make(url ?? ""), exchange: unique("events") })
        ),
      cleanUp: ContractCleanUp.cleanUp(url ?? "")
    })
  }
})
