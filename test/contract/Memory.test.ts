import { BrokerContract } from "@effect-eventbus/testing"
import { describe } from "@effect/vitest"
import { MemoryBroker } from "effect-eventbus"

// Each test has a broker of its own, and some wait for seconds.
describe.concurrent("The contract in memory", () =>
  BrokerContract.run({ name: "memory", layer: MemoryBroker.layer, features: { durable: false, testClock: true } }))
