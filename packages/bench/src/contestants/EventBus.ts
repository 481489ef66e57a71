import * as AmqpBroker from "@effect-eventbus/amqp/AmqpBroker"
import * as Flow from "@effect-eventbus/flow/Flow"
import * as Batch from "effect-eventbus/Batch"
import type * as Broker from "effect-eventbus/Broker"
import * as EventBus from "effect-eventbus/EventBus"
import * as FailurePolicy from "effect-eventbus/FailurePolicy"
import * as Handler from "effect-eventbus/Handler"
import * as MemoryBroker from "effect-eventbus/MemoryBroker"
import * as Request from "effect-eventbus/Request"
import * as Subscription from "effect-eventbus/Subscription"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { retryDelay } from "../BenchTopology.ts"
import type { Contestant, Stage } from "../Contestant.ts"
import { answer, keyOf, SampleEvent, SampleRequest } from "../SampleEvent.ts"
import { batchMillis, batchWithin, poolSize, requestTimeout } from "../Scenario.ts"

class NotNow extends Error {
  readonly _tag = "NotNow"
}

const unanswered = ({ fails, handled, scenario }: Stage, name: string, patterns: ReadonlyArray<string>) =>
  Handler.make(
    Subscription.make(name, {
      events: [SampleEvent],
      patterns,
      concurrency: scenario.prefetch,
      orderedBy: scenario.keys > 0 ? ({ payload }) => keyOf(scenario, payload) : undefined
    }),
    ({ payload }, { attempt }) =>
      fails(payload, attempt) ? Effect.fail(new NotNow("not now")) : Effect.sync(() => handled(payload))
  )

const policy = FailurePolicy.tags({
  NotNow: FailurePolicy.retry(Schedule.spaced(retryDelay).pipe(Schedule.upTo({ times: 3 })))
})

const handler = (...args: Parameters<typeof unanswered>) => Handler.onFailure(unanswered(...args), policy)

/** The same, with a breaker that stays closed. */
const guarded = (...args: Parameters<typeof unanswered>) =>
  unanswered(...args).pipe(
    Flow.breaker({ trip: CircuitBreaker.consecutive(5), open: "1 second" }),
    Handler.provide(CircuitBreaker.layerStoreMemory()),
    Handler.onFailure(policy)
  )

/** The same, with a rate limit that is never reached. */
const limited = (...args: Parameters<typeof unanswered>) =>
  unanswered(...args).pipe(
    Flow.rateLimit({ limit: 1_000_000_000, window: "1000000 seconds" }),
    Handler.provide(Layer.provide(RateLimiter.layer, RateLimiter.layerStoreMemory)),
    Handler.onFailure(policy)
  )

/** The same, with a concurrency that grows to the prefetch before the measurement. */
const adapted = (...args: Parameters<typeof unanswered>) =>
  unanswered(...args).pipe(
    Flow.adaptive({ min: 1, max: args[0].scenario.prefetch, target: "1 second" }),
    Handler.onFailure(policy)
  )

const batches = ({ handled, scenario: { batch } }: Stage, name: string, patterns: ReadonlyArray<string>) =>
  Batch.make(
    Subscription.make(name, { events: [SampleEvent], patterns }),
    { size: batch, within: batchWithin },
    (events) =>
      Effect.andThen(
        Effect.sleep(batchMillis),
        Effect.sync(() => events.forEach(({ payload }) => handled(payload)))
      )
  )

/** Each event by itself, as many at once as a pool has connections. */
const singles = ({ handled }: Stage, name: string, patterns: ReadonlyArray<string>) =>
  Handler.make(Subscription.make(name, { events: [SampleEvent], patterns, concurrency: poolSize }), ({ payload }) =>
    Effect.andThen(
      Effect.sleep(batchMillis),
      Effect.sync(() => handled(payload))
    )
  )

const responder = ({ scenario }: Stage, name: string) =>
  Request.handle(
    Subscription.make(name, { events: [SampleRequest], concurrency: scenario.prefetch }),
    SampleRequest,
    ({ payload }) => Effect.succeed(answer(payload))
  )

/** Keeps no span. */
const sampledOut = Tracer.make({ span: (options) => new Tracer.NativeSpan({ ...options, sampled: false }) })

const on = (
  brokerOf: (stage: Stage) => Layer.Layer<Broker.Broker, unknown>,
  {
    batchOf = batches,
    handlerOf = handler,
    tracer
  }: {
    readonly batchOf?: typeof batches | typeof singles
    readonly handlerOf?: typeof handler
    readonly tracer?: Tracer.Tracer
  } = {}
): Contestant => ({
  package: "effect-eventbus",
  open: async (stage) => {
    const { handled, next, topology, scenario } = stage
    const scope = Scope.makeUnsafe()
    const layer = Layer.provide(EventBus.layer, brokerOf(stage))
    const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
      Effect.runPromise(tracer === undefined ? effect : Effect.provideService(effect, Tracer.Tracer, tracer))
    const bus = Context.get(await run(Layer.buildWithScope(layer, scope)), EventBus.EventBus)
    // A key is named only where it is not the event's own.
    const isPlain = scenario.queues * scenario.patterns === 1
    const { delay } = scenario
    const options = (routingKey: string) => (delay > 0 ? { routingKey, delay } : isPlain ? undefined : { routingKey })
    const publishOne = Effect.suspend(() => {
      const { payload, routingKey } = next()
      return Effect.flatMap(SampleEvent.event(payload), (event) => bus.publish(event, options(routingKey)))
    })
    const isRequest = scenario.work === "request"
    const subscribe = (name: string, patterns: ReadonlyArray<string>) => {
      if (isRequest) return bus.subscribe(responder(stage, name))
      return bus.subscribe(scenario.batch > 1 ? batchOf(stage, name, patterns) : handlerOf(stage, name, patterns))
    }
    const requestOne = Effect.suspend(() => {
      const { payload } = next()
      return Effect.map(Request.call(SampleRequest, payload, { timeout: requestTimeout }), () => handled(payload))
    }).pipe(Effect.provideService(EventBus.EventBus, bus))
    return {
      publish: (count, inFlight) => {
        let left = count
        const one: Effect.Effect<void, unknown> = isRequest ? requestOne : publishOne
        const lane = Effect.whileLoop({ while: () => left-- > 0, body: () => one, step: () => {} })
        return run(Effect.replicateEffect(lane, inFlight, { concurrency: "unbounded", discard: true }))
      },
      publishOne: () => run(publishOne),
      consume: () =>
        run(
          Effect.forEach(topology.queues, ({ name, patterns }) => subscribe(name, patterns), {
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
export const traced: Contestant = on(({ topology }) => AmqpBroker.layer(topology.options), {
  tracer: sampledOut
})

/** The same, with a breaker before each handler. */
export const withBreaker: Contestant = on(({ topology }) => AmqpBroker.layer(topology.options), { handlerOf: guarded })

/** The same, with a rate limit before each handler. */
export const withRateLimit: Contestant = on(({ topology }) => AmqpBroker.layer(topology.options), {
  handlerOf: limited
})

/** The same, with an adaptive concurrency. */
export const withAdaptive: Contestant = on(({ topology }) => AmqpBroker.layer(topology.options), { handlerOf: adapted })

/** The same, which handles each event of a batch by itself. */
export const single: Contestant = on(({ topology }) => AmqpBroker.layer(topology.options), { batchOf: singles })

/** The bus in memory. */
export const memory: Contestant = on(() => MemoryBroker.layer())

/** The same, with a breaker before each handler. */
export const memoryWithBreaker: Contestant = on(() => MemoryBroker.layer(), { handlerOf: guarded })

/** The same, with a rate limit before each handler. */
export const memoryWithRateLimit: Contestant = on(() => MemoryBroker.layer(), { handlerOf: limited })

/** The same, with an adaptive concurrency. */
export const memoryWithAdaptive: Contestant = on(() => MemoryBroker.layer(), { handlerOf: adapted })
