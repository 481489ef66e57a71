import { BrokerContract } from "@effect-eventbus/testing"
import { MemoryBroker } from "effect-eventbus"

BrokerContract.run({ name: "memory", layer: MemoryBroker.layer, features: { durable: false, testClock: true } })
