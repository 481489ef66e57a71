/**
 * The contract of brokers, as tests for vitest.
 *
 * @since 0.1.0
 */

import type { BrokerUnderTest } from "./BrokerUnderTest.ts"
import { failing } from "./contract/FailureSuite.ts"
import { living } from "./contract/LifetimeSuite.ts"
import { measuring } from "./contract/MetricSuite.ts"
import { operating } from "./contract/OperateSuite.ts"
import { publishing } from "./contract/PublishSuite.ts"
import { mending } from "./contract/ReplaySuite.ts"
import { subscribing } from "./contract/SubscribeSuite.ts"
import { tracing } from "./contract/TraceSuite.ts"
import { programming } from "./programs/RandomPrograms.ts"

const suites = [publishing, subscribing, living, failing, operating, mending, tracing, measuring, programming]

/**
 * Declares the tests of the contract for a broker. Call it at the top level of a test
 * file, or within a `describe`.
 *
 * **Details**
 *
 * The tests use the broker through an `EventBus`, as applications do. The last one runs
 * random programs, and compares what can be seen with a model. A program that shows
 * a difference is made as small as possible and printed. `EVENTBUS_PROGRAMS` sets the
 * number of programs, `EVENTBUS_SEED` repeats those of an earlier run.
 *
 * **Example** (Running the contract on the memory broker)
 *
 * ```ts no-run
 * import { BrokerContract } from "@effect-eventbus/testing"
 * import { MemoryBroker } from "effect-eventbus"
 *
 * BrokerContract.run({ name: "memory", layer: MemoryBroker.layer, features: { durable: false, testClock: true } })
 * ```
 *
 * @category testing
 * @since 0.1.0
 */
export const run = (broker: BrokerUnderTest): void => {
  for (const suite of suites) suite(broker)
}
