/**
 * A broker under test: how the contract makes it, and what it can do.
 *
 * @since 0.1.0
 */

import type { Broker } from "effect-eventbus"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"

/**
 * The features that one broker has and another has not. Everything else in the
 * contract is asked of every broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Features {
  /** Whether queues, and the events in them, outlive the bus that declared them. */
  readonly durable: boolean
  /**
   * Whether every delay of the broker follows the `Clock` of Effect. The random
   * programs then run on the test clock: many more of them, in less time. Default:
   * `false`.
   */
  readonly testClock?: boolean | undefined
}

/**
 * Options that the contract sets on a broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The number of deliveries that a consumer may hold unsettled. `undefined`: the broker's default. */
  readonly prefetch?: number | undefined
}

/**
 * The names that one test uses on the broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Names {
  /** Returns a name that no other test uses, made from a readable one. One test gets the same name for the same `base`. */
  readonly unique: (base: string) => string
  /** Returns the name of every queue that the test may have declared, with those of its dead letters. */
  readonly queues: () => ReadonlyArray<string>
}

/**
 * A broker to run the contract on.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrokerUnderTest {
  /** The name of the broker in the titles of the tests. */
  readonly name: string
  readonly features: Features
  /**
   * Makes the broker. Each test makes its own, and some make a second one that
   * shares the queues of the first, where queues are durable. The names of things that
   * are shared on a server, such as an exchange, come from `names.unique`.
   */
  readonly layer: (options: Options, names: Names) => Layer.Layer<Broker.Broker, unknown>
  /** Removes what a test left on a server. It runs after the test, when its brokers are closed. */
  readonly cleanUp?: ((names: Names) => Effect.Effect<void, unknown>) | undefined
  /** The longest wait for anything expected. Some tests need two seconds. Default: 15 seconds. */
  readonly patience?: Duration.Input | undefined
  /**
   * The number of random programs. `EVENTBUS_PROGRAMS` takes precedence. Default: 1,000 on the test clock, 30 in real time.
   */
  readonly programs?: number | undefined
  /** Whether to skip the tests, because there is no server to run them on. Default: `false`. */
  readonly skip?: boolean | undefined
}
