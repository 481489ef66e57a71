/** A suite of tests that run on every broker. */

import { describe, it } from "@effect/vitest"
import { type Broker, EventBus, QueueSpec } from "effect-eventbus"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import type * as BrokerUnderTest from "./BrokerUnderTest.ts"
import { Patience, patienceOf } from "./Patience.ts"

/** The names of the test that is running. */
export class Names extends Context.Service<Names, BrokerUnderTest.Names>()("effect-eventbus/testing/Names") {}

/** Returns a name that no other test uses, made from a readable one. */
export const unique = (base: string) => Effect.map(Names, ({ unique }) => unique(base))

const makeNames = (): BrokerUnderTest.Names => {
  const suffix = crypto.randomUUID().slice(-10)
  const bases = new Set<string>()
  const unique = (base: string) => {
    bases.add(base)
    return `${base}.t-${suffix}`
  }
  const queues = () =>
    [...bases].map(unique).flatMap((queue) => {
      const names = [queue]
      // A test that consumes dead letters of dead letters declares a queue for theirs.
      for (let depth = 0; depth < 3; depth++) names.push(QueueSpec.deadLetterQueueOf(names[depth] ?? queue))
      return names
    })
  return { unique, queues }
}

/** Names for one test. The clean-up runs when it ends. */
const names = ({ cleanUp }: BrokerUnderTest.BrokerUnderTest): Layer.Layer<Names> =>
  Layer.effect(
    Names,
    Effect.acquireRelease(Effect.sync(makeNames), (names) =>
      cleanUp === undefined ? Effect.void : Effect.orDie(cleanUp(names))
    )
  )

/** A bus on the broker. The buses of one test share their queues, where these are durable. */
const bus = (
  { layer }: BrokerUnderTest.BrokerUnderTest,
  options: BrokerUnderTest.Options
): Layer.Layer<EventBus.EventBus | Broker.Broker, unknown, Names> =>
  Layer.unwrap(Effect.map(Names, (names) => Layer.provideMerge(EventBus.layer, layer(options, names))))

/** The services of a test. */
export type Services = EventBus.EventBus | Broker.Broker | Names

/** The services of one test: names of its own, and a bus. */
export const services = (broker: BrokerUnderTest.BrokerUnderTest): Layer.Layer<Services, unknown> =>
  Layer.provideMerge(bus(broker, {}), names(broker))

/** Declares a test. */
export type Test = (title: string, body: () => Effect.Effect<unknown, unknown, Services | Scope.Scope>) => void

/** The broker of a suite. */
export interface Subject {
  readonly features: BrokerUnderTest.Features
  /** Makes one more bus on the same broker. */
  readonly bus: (options?: BrokerUnderTest.Options) => ReturnType<typeof bus>
}

/** Declares the same tests for every broker. Time is real, since a server's clock cannot be set. */
export const suite =
  (title: string, tests: (test: Test, subject: Subject) => void) =>
  (broker: BrokerUnderTest.BrokerUnderTest): void => {
    const layer = services(broker)
    const patience = patienceOf(broker)
    const test: Test = (name, body) =>
      it.live(
        name,
        () =>
          Effect.suspend(body).pipe(
            Effect.scoped,
            Effect.provide(layer, { local: true }),
            // One test does not see the counts of another.
            Effect.provideService(Metric.MetricRegistry, new Map()),
            Effect.provideService(Patience, patience)
          ),
        // Later than a wait that is in vain, which fails with a message of its own.
        patience + 15_000
      )
    describe.skipIf(broker.skip)(`${title} (${broker.name})`, () =>
      tests(test, { features: broker.features, bus: (options = {}) => bus(broker, options) })
    )
  }
