import * as AmqpBroker from "@effect-eventbus/amqp/AmqpBroker"
import type * as Broker from "effect-eventbus/Broker"
import * as EventBus from "effect-eventbus/EventBus"
import * as FailurePolicy from "effect-eventbus/FailurePolicy"
import * as Handler from "effect-eventbus/Handler"
import * as MemoryBroker from "effect-eventbus/MemoryBroker"
import * as Subscription from "effect-eventbus/Subscription"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { retryDelay } from "../BenchTopology.ts"
import type { Contestant, Stage } from "../Contestant.ts"
import { SampleEvent } from "../SampleEvent.ts"

class NotNow extends Error {
  readonly _tag = "NotNow"
}

const handler = ({ fails, handled, scenario }: Stage, name: string, patterns: ReadonlyArray<string>) =>
  Handler.make(
    Subscription.make(name, { events: [SampleEvent], patterns, concurrency: scenario.prefetch }),
    ({ payload }, { attempt }) =>
      fails(payload, attempt) ? Effect.fail(new NotNow("not now")) : Effect.sync(() => handled(payload))
  ).pipe(
    Handler.onFailure(
      FailurePolicy.tags({
        NotNow: FailurePolicy.retry(Schedule.spaced(retryDelay).pipe(Schedule.upTo({ times: 3 })))
      })
    )
  )

/** Keeps no span. */
const sampledOut = Tracer.make({ span: (options) => new Tracer.NativeSpan({ ...options, sampled: false }) })

const on = (brokerOf: (stage: Stage) => Layer.Layer<Broker.Broker, unknown>, tracer?: Tracer.Tracer): Contestant => ({
  package: "effect-eventbus",
  open: async (stage) => {
    const { next, topology, scenario } = stage
    const scope = Scope.makeUnsafe()
    const layer = Layer.provide(EventBus.layer, brokerOf(stage))
    const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
      Effect.runPromise(tracer === undefined ? effect : Effect.provideService(effect, Tracer.Tracer, tracer))
    const bus = Context.get(await run(Layer.buildWithScope(layer, scope)), EventBus.EventBus)
    // A key is named only where it is not the event's own.
    const isPlain = scenario.queues * scenario.patterns === 1
    const publishOne = Effect.suspend(() => {
      const { payload, routingKey } = next()
      return Effect.flatMap(SampleEvent.event(payload), (event) =>
        bus.publish(event, isPlain ? undefined : { routingKey })
      )
    })
    return {
      publish: (count, inFlight) => {
        let left = count
        const lane = Effect.whileLoop({ while: () => left-- > 0, body: () => publishOne, step: () => {} })
        return run(Effect.replicateEffect(lane, inFlight, { concurrency: "unbounded", discard: true }))
      },
      publishOne: () => run(publishOne),
      consume: () =>
        run(
          Effect.forEach(topology.queues, ({ name, patterns }) => bus.subscribe(handler(stage, name, patterns)), {
            concurrency: 10,
            discard: true
          }).pipe(Scope.provide(scope))
        ),
      close: () => run(Scope.close(scope, Exit.void))
    }
  }
})

/** The bus on RabbitMQ: schemas, mandatory, confirms, everything on. */
export const rabbitmq: Contestant = on(({ topology }) => AmqpBroker.layer(topology.options))

/** The same, with a tracer whose spans are sampled out. */
export const traced: Contestant = on(({ topology }) => AmqpBroker.layer(topology.options), sampledOut)

/** The bus in memory. */
export const memory: Contestant = on(() => MemoryBroker.layer())
