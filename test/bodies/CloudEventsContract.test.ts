import { AmqpBroker } from "@effect-eventbus/amqp"
import { CloudEvents } from "@effect-eventbus/bodies"
import { BrokerContract } from "@effect-eventbus/testing"
import { describe } from "@effect/vitest"
import { Layer, Redacted } from "effect"
import { MemoryBroker } from "effect-eventbus"
import { inject } from "vitest"
import * as ContractCleanUp from "../support/ContractCleanUp.ts"

const source = "/shop"

/** The brokers below run all programs. */
const programs = { memory: 100, rabbit: 8 }

for (const mode of ["binary", "structured"] as const) {
  BrokerContract.run({
    name: `memory, with ${mode} CloudEvents`,
    layer: (options) => Layer.provideMerge(CloudEvents.layer({ mode, source }), MemoryBroker.layer(options)),
    features: { durable: false, testClock: true },
    programs: programs.memory
  })
}

const url = inject("rabbitUrl")

/** A busy machine takes longer than the defaults. */
const patient = { connectionTimeout: "1 minute", publishTimeout: "1 minute" } as const

// Each test has names and a bus of its own, and mostly waits for the broker.
describe.concurrent("The contract on RabbitMQ, with CloudEvents", () =>
  BrokerContract.run({
    name: "RabbitMQ, with CloudEvents",
    features: { durable: true },
    patience: "45 seconds",
    // It takes a minute, so CI runs it on one version of RabbitMQ.
    skip: url === null || process.env["TEST_RABBITMQ_HOME"] === undefined,
    programs: programs.rabbit,
    layer: (options, { unique }) =>
      Layer.provide(
        CloudEvents.layer({ source }),
        AmqpBroker.layer({ ...patient, ...options, url: Redacted.make(url ?? ""), exchange: unique("events") })
      ),
    cleanUp: ContractCleanUp.cleanUp(url ?? "")
  }))
