/**
 * The contract of brokers, as tests for vitest.
 *
 * @since 0.1.0
 */

import { batchSuite } from "./contract/BatchSuite.ts"
import type { BrokerUnderTest } from "./contract/BrokerUnderTest.ts"
import { deadLetterSuite } from "./contract/DeadLetterSuite.ts"
import { delaySuite } from "./contract/DelaySuite.ts"
import { expirySuite } from "./contract/ExpirySuite.ts"
import { failureSuite } from "./contract/FailureSuite.ts"
import { flowSuite } from "./contract/FlowSuite.ts"
import { heldSuite } from "./contract/HeldSuite.ts"
import { lifetimeSuite } from "./contract/LifetimeSuite.ts"
import { lookSuite } from "./contract/LookSuite.ts"
import { metricSuite } from "./contract/MetricSuite.ts"
import { operateSuite } from "./contract/OperateSuite.ts"
import { orderedSuite } from "./contract/OrderedSuite.ts"
import { peekSuite } from "./contract/PeekSuite.ts"
import { publishSuite } from "./contract/PublishSuite.ts"
import { repairSuite } from "./contract/RepairSuite.ts"
import { replaySuite } from "./contract/ReplaySuite.ts"
import { requestSuite } from "./contract/RequestSuite.ts"
import { spanSuite } from "./contract/SpanSuite.ts"
import { subscribeSuite } from "./contract/SubscribeSuite.ts"
import { traceSuite } from "./contract/TraceSuite.ts"
import { versionSuite } from "./contract/VersionSuite.ts"
import { randomPrograms } from "./programs/RandomPrograms.ts"

const suites = [
  publishSuite,
  subscribeSuite,
  lifetimeSuite,
  failureSuite,
  flowSuite,
  batchSuite,
  expirySuite,
  delaySuite,
  deadLetterSuite,
  lookSuite,
  peekSuite,
  replaySuite,
  repairSuite,
  operateSuite,
  orderedSuite,
  heldSuite,
  requestSuite,
  spanSuite,
  traceSuite,
  metricSuite,
  versionSuite,
  randomPrograms
]

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
