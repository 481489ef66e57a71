import { AmqpBroker } from "@effect-eventbus/amqp"
import { waitQueue } from "@effect-eventbus/amqp/AmqpDelay"
import { settings } from "@effect-eventbus/amqp/AmqpOptions"
import type { Channel } from "amqplib"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { EventBus } from "effect-eventbus"
import { eventually, messageOf, within } from "../../support/eventually.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import type { Balance } from "../ledger/EventLedger.ts"
import { findBreaches } from "../ledger/findBreaches.ts"
import { Journal } from "../ledger/Journal.ts"
import { drain } from "../ledger/LeftoverMessages.ts"
import { defaults } from "../ledger/Tolerances.ts"
import { drawCut, showCut } from "../proxy/Cut.ts"
import type { Cut } from "../proxy/Cut.ts"
import { FrameProxy } from "../proxy/FrameProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { Workload } from "../workload/Workload.ts"
import { inFlight, steady } from "../workload/WorkloadShape.ts"

/** The outcome of one schedule of cuts. */
export interface Outcome {
  readonly seed: number
  readonly planned: ReadonlyArray<Cut>
  readonly done: number
  readonly balance: Balance
  readonly breaches: ReadonlyArray<string>
  readonly inspected: number
  readonly log: ReadonlyArray<string>
}

const events = 12
/** The delays of the workload's retries. */
const delays = [20, 50]

const shape = {
  ...steady,
  publishers: 4,
  queues: 1,
  fanout: false,
  concurrency: 4,
  handling: 2,
  scripts: { flaky: 25, flakier: 10, doomed: 10 }
}

/**
 * Publishes and handles a few events on connections that are cut at certain frames. The seed decides at which ones.
 *
 * The queues are classic because these take a tenth of the time. The other faults cover quorum queues.
 */
export const run = (port: number, channel: Channel, seed: number): Promise<Outcome> => {
  const name = `frames-${process.pid}-${seed}`
  const [work, dlq] = [`${name}.q0`, `dlq.${name}.q0`]
  const random = new SeededRandom(seed)
  const planned = Array.from({ length: random.int(1, 3) }, () => drawCut(random, events))
  const journal = Journal.create(name)
  const monitor = new BusMonitor()
  const breaches: Array<string> = []

  const live = (proxy: FrameProxy) =>
    Effect.gen(function* () {
      const options = {
        url: Redacted.make(url(proxy.tcp.port)),
        exchange: name,
        queueType: "classic",
        publishTimeout: "15 seconds"
      } as const
      const context = yield* Layer.build(Layer.provide(EventBus.layer, AmqpBroker.layer(options)))
      const bus = monitor.observe(Context.get(context, EventBus.EventBus))
      const workload = yield* Workload.start(bus, name, shape, journal, random)
      const all = Array.from({ length: events }, () => workload.publish())
      yield* within("every publish ends", "30 seconds")(Effect.all(all, { concurrency: shape.publishers }))
      const { ledger } = journal
      const isQuiet = Effect.gen(function* () {
        yield* Effect.promise(() => drain(channel, [dlq], journal))
        return ledger.pending("handled").length + ledger.pending("dead").length === 0
      })
      yield* eventually("every event has ended", isQuiet, {
        atMost: "30 seconds",
        every: 50,
        state: () => JSON.stringify([ledger.pending("handled"), ledger.pending("dead")])
      })
    })

  const waitQueues = (): ReadonlyArray<string> => {
    const own = settings({ exchange: name, queueType: "classic" })
    return delays.map((delay) => waitQueue(work, delay, own).name)
  }

  const program = Effect.gen(function* () {
    const proxy = yield* Effect.promise(() => FrameProxy.open(port, planned))
    const scope = yield* Scope.make()
    const lived = yield* Effect.exit(monitor.countFibers(Scope.provide(live(proxy), scope)))
    if (Exit.isFailure(lived)) breaches.push(messageOf(lived.cause))
    const closed = yield* Effect.exit(within("the bus is closed", "20 seconds")(Scope.close(scope, Exit.void)))
    if (Exit.isFailure(closed)) breaches.push(messageOf(closed.cause))
    const gone = Effect.sync(() => proxy.tcp.connections === 0 && monitor.fibers === 0)
    const left = yield* Effect.exit(
      eventually("no socket and no fiber is left", gone, {
        atMost: "5 seconds",
        state: () => `${proxy.tcp.links.map(({ state }) => state).join("; ")}, ${monitor.fibers} fibers`
      })
    )
    if (Exit.isFailure(left)) breaches.push(messageOf(left.cause))
    yield* Effect.promise(() => proxy.tcp.close())
    yield* Effect.promise(async () => {
      // Wait queues are not drained: some of them may not exist, and reading a missing queue closes the channel.
      for (const queue of waitQueues()) await channel.deleteQueue(queue)
      await drain(channel, [work, dlq], journal)
      for (const queue of [work, dlq]) await channel.deleteQueue(queue)
      for (const exchange of [name, `${name}_dlx`]) await channel.deleteExchange(exchange)
    })
    return proxy
  })

  return Effect.runPromiseExit(monitor.capture(program)).then((exit) => {
    if (Exit.isFailure(exit)) breaches.push(messageOf(exit.cause))
    const balance = journal.close().balance()
    const proxy = Exit.isSuccess(exit) ? exit.value : undefined
    const tolerances = { ...defaults, disruptions: planned.length }
    const closes = proxy?.closes ?? []
    const evidence = { tolerances, closes, excuses: [], leaks: monitor.leaks, inFlight: inFlight(shape) }
    breaches.push(...findBreaches(balance, evidence))
    const plan = planned.map(showCut).join("; ")
    return {
      seed,
      planned,
      done: proxy?.done.length ?? 0,
      balance,
      breaches: breaches.map((breach) => `schedule ${seed} (${plan}): ${breach}`),
      inspected: monitor.inspected,
      log: breaches.length === 0 ? [] : monitor.log
    }
  })
}
