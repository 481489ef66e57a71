import { AmqpBroker } from "@effect-eventbus/amqp"
import { settings } from "@effect-eventbus/amqp/AmqpOptions"
import { waitQueue } from "@effect-eventbus/amqp/AmqpTopology"
import type { Channel } from "amqplib"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { EventBus } from "effect-eventbus"
import { eventually, within } from "../../support/eventually.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { Balance } from "../ledger/EventLedger.ts"
import { Journal } from "../ledger/Journal.ts"
import { defaults, judge } from "../ledger/Tolerances.ts"
import { draw, FrameProxy, show } from "../proxy/FrameProxy.ts"
import type { Cut } from "../proxy/FrameProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { steady, Workload } from "../workload/Workload.ts"

/** What came of one schedule of cuts. */
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
const tiers = [20, 50]

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
 * A few events on a connection that is cut at frames which a seed names.
 *
 * Its queues are classic ones, which take a tenth of the time; what the broker does with quorum queues is the matter of
 * the other faults.
 */
export const run = (port: number, broker: Channel, seed: number): Promise<Outcome> => {
  const name = `frames-${process.pid}-${seed}`
  const random = new SeededRandom(seed)
  const planned = Array.from({ length: random.int(1, 3) }, () => draw(random, 12))
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
      yield* within("every publish is answered", "30 seconds")(Effect.all(all, { concurrency: shape.publishers }))
      const { ledger } = journal
      const dlq = `dlq.${name}.q0`
      const isQuiet = Effect.gen(function* () {
        yield* Effect.promise(() => LabClient.drain(broker, [dlq], journal))
        return ledger.pending("handled").length + ledger.pending("dead").length === 0
      })
      yield* eventually("every event has ended", isQuiet, {
        atMost: "30 seconds",
        every: 50,
        state: () => JSON.stringify([ledger.pending("handled"), ledger.pending("dead")])
      })
    })

  const queues = (): ReadonlyArray<string> => {
    const own = settings({ exchange: name, queueType: "classic" })
    const waits = tiers.map((tier) => waitQueue(`${name}.q0`, tier, own).name)
    return [`${name}.q0`, ...waits, `dlq.${name}.q0`]
  }

  const program = Effect.gen(function* () {
    const proxy = yield* Effect.promise(() => FrameProxy.open(port, planned))
    const scope = yield* Scope.make()
    const lived = yield* Effect.exit(monitor.countFibers(Scope.provide(live(proxy), scope)))
    if (Exit.isFailure(lived)) breaches.push(LabClient.messageOf(lived.cause))
    const closed = yield* Effect.exit(within("the bus is closed", "20 seconds")(Scope.close(scope, Exit.void)))
    if (Exit.isFailure(closed)) breaches.push(LabClient.messageOf(closed.cause))
    const gone = Effect.sync(() => proxy.tcp.connections === 0 && monitor.fibers === 0)
    const left = yield* Effect.exit(
      eventually("no socket and no fiber is left", gone, {
        atMost: "5 seconds",
        state: () => `${proxy.tcp.links.map(({ state }) => state).join("; ")}, ${monitor.fibers} fibers`
      })
    )
    if (Exit.isFailure(left)) breaches.push(LabClient.messageOf(left.cause))
    yield* Effect.promise(() => proxy.tcp.close())
    yield* Effect.promise(async () => {
      // What no event has needed was never declared: declaring it all is simpler than to ask.
      for (const queue of queues().filter((queue) => queue.startsWith("wait."))) await broker.deleteQueue(queue)
      await LabClient.drain(
        broker,
        queues().filter((queue) => !queue.startsWith("wait.")),
        journal
      )
      for (const queue of queues()) await broker.deleteQueue(queue)
      for (const exchange of [name, `${name}_dlx`]) await broker.deleteExchange(exchange)
    })
    return proxy
  })

  return Effect.runPromiseExit(monitor.capture(program)).then((exit) => {
    if (Exit.isFailure(exit)) breaches.push(LabClient.messageOf(exit.cause))
    const balance = journal.close().balance()
    const proxy = Exit.isSuccess(exit) ? exit.value : undefined
    const tolerances = { ...defaults, disruptions: planned.length }
    breaches.push(
      ...judge(balance, { tolerances, closes: proxy?.closes ?? [], excuses: [], leaks: monitor.leaks, shape })
    )
    const plan = planned.map(show).join("; ")
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
