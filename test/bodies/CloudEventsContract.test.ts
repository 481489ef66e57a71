import { CloudEvents } from "@effect-eventbus/bodies"
import { BrokerContract } from "@effect-eventbus/testing"
import { Layer } from "effect"
import { MemoryBroker } from "effect-eventbus"

for (const mode of ["binary", "structured"] as const) {
  BrokerContract.run({
    name: `memory, with ${mode} CloudEvents`,
    layer: (options) => Layer.provideMerge(CloudEvents.layer({ mode, source: "/shop" }), MemoryBroker.layer(options)),
    features: { durable: false, testClock: true },
    // The contract of the broker itself runs more.
    programs: 100
  })
}
