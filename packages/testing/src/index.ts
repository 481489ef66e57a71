/**
 * The contract that every broker keeps, as tests.
 *
 * @since 0.1.0
 */

export * as BrokerContract from "./BrokerContract.ts"
export * as BrokerUnderTest from "./contract/BrokerUnderTest.ts"
