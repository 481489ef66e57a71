import { AmqpBroker } from "@effect-eventbus/amqp"
import { BlobStore, Bodies, ClaimCheck, Compression, Encryption } from "@effect-eventbus/bodies"
import { BrokerContract } from "@effect-eventbus/testing"
import { describe } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { MemoryBroker } from "effect-eventbus"
import { inject } from "vitest"
import * as ContractCleanUp from "../support/ContractCleanUp.ts"

/** One store for all buses of a test, as services share theirs: one reads what another has published. */
const store = Layer.succeedContext(Effect.runSync(Effect.scoped(Layer.build(BlobStore.layerMemory))))

/** All three, for every payload. */
const sealed = Bodies.layer([
  Compression.gzip({ over: 0 }),
  Encryption.aes256Gcm({ keys: { first: Redacted.make(new Uint8Array(32).fill(7)) }, current: "first" }),
  ClaimCheck.make({ over: 0 })
]).pipe(Layer.provide(store))

BrokerContract.run({
  name: "memory, with sealed bodies",
  layer: (options) => Layer.provideMerge(sealed, MemoryBroker.layer(options)),
  features: { durable: false, testClock: true },
  // The contract of the broker itself runs more.
  programs: 200
})

const url = inject("rabbitUrl")

/** A busy machine takes longer than the defaults. */
const patient = { connectionTimeout: "1 minute", publishTimeout: "1 minute" } as const

// Each test has names and a bus of its own, and mostly waits for the broker.
describe.concurrent("The contract on RabbitMQ, with sealed bodies", () =>
  BrokerContract.run({
    name: "RabbitMQ, with sealed bodies",
    features: { durable: true },
    patience: "45 seconds",
    // It takes a minute, so CI runs it on one version of RabbitMQ.
    skip: url === null || process.env["TEST_RABBITMQ_HOME"] === undefined,
    layer: (options, { unique }) =>
      Layer.provide(
        sealed,
        AmqpBroker.layer({ ...patient, ...options, url: Redacted.make(url ?? ""), exchange: unique("events") })
      ),
    cleanUp: ContractCleanUp.cleanUp(url ?? "")
  }))
