/**
 * Tests of applications on a bus that tells what was caused, and the contract that every
 * broker keeps.
 *
 * @since 0.1.0
 */

export * as BrokerContract from "./BrokerContract.ts"
export * as BrokerUnderTest from "./contract/BrokerUnderTest.ts"
export * as TrackedSession from "./tracking/TrackedSession.ts"
export * as Tracker from "./tracking/Tracker.ts"
export * as Unsettled from "./tracking/Unsettled.ts"
