import { AmqpBroker } from "@effect-eventbus/amqp"
import { Context, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import { EventBus } from "effect-eventbus"
import { eventually, messageOf, within } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { addUser, url } from "../broker/LabBroker.ts"
import type { Cluster, LabBroker, SingleNode } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { Excuse } from "../ledger/EventLedger.ts"
import { findBreaches } from "../ledger/findBreaches.ts"
import { Journal } from "../ledger/Journal.ts"
import { isLostOnItsWay, noneIsHeld, queuesOf, takeAll, whereaboutsOf } from "../ledger/LeftoverMessages.ts"
import { defaults } from "../ledger/Tolerances.ts"
import { FrameProxy } from "../proxy/FrameProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { Workload } from "../workload/Workload.ts"
import { inFlight, steady } from "../workload/WorkloadShape.ts"
import type { Environment, Experiment } from "./Experiment.ts"
import type { InjectedFault, Lab } from "./InjectedFault.ts"
import * as ResultRow from "./ResultRow.ts"

/** Milliseconds of work before the fault. RabbitMQ 3.10 may forget quorum queues that are younger when it is killed. */
const before = 1000
/** Milliseconds of work after the recovery. */
const after = 300
const publishTimeout = 5000
const quietTimeout = 60_000
const closeTimeout = 20_000

/** Runs a fault from the first connection of the bus until everything is deleted. */
const run = <B extends LabBroker>(
  broker: B,
  fault: InjectedFault<B>,
  { patience = 1, progress, seed }: Environment
): Promise<ResultRow.ResultRow> => {
  const started = Date.now()
  const name = unique("lab")
  const exchanges = [name, `${name}_dlx`] as const
  const random = SeededRandom.of(seed, fault.name)
  const shape = { ...steady, ...fault.shape }
  const tolerances = { ...defaults, ...fault.allow }
  const journal = Journal.create(name)
  const monitor = new BusMonitor()
  const [breaches, notes, excuses]: [Array<string>, Array<string>, Array<Excuse>] = [[], [], []]
  const [port = 0] = broker.ports
  let recovered: number | undefined

  const phase = (text: string) => Effect.sync(() => progress?.(text))
  /** Records a failure as a breach and goes on, to find all breaches of a run. */
  const expect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A | undefined, never, R> =>
    Effect.catchCause(effect, (cause) =>
      Effect.as(
        Effect.sync(() => breaches.push(messageOf(cause))),
        undefined
      )
    )

  /** Runs the bus, the workload and the fault. */
  const live = (proxies: ReadonlyArray<FrameProxy>, frames: FrameProxy) =>
    Effect.gen(function* () {
      const login = fault.ownUser === true ? name : undefined
      const options = {
        url: proxies.map(({ tcp }) => Redacted.make(url(tcp.port, login))),
        exchange: name,
        connectionName: name,
        heartbeat: "2 seconds",
        publishTimeout,
        ...fault.options
      } as const
      const context = yield* Layer.build(Layer.provide(EventBus.layer, AmqpBroker.layer(options)))
      const bus = monitor.observe(Context.get(context, EventBus.EventBus))
      const workload = yield* Workload.start(bus, name, shape, journal, random)
      yield* phase("warming up")
      yield* workload.warmUp
      const running = yield* workload.run
      yield* Effect.sleep(before)

      const ctl: Lab["ctl"] = (...args) => Effect.promise(() => broker.ctl(...args))
      const lab: Lab<B> = {
        broker,
        name,
        exchanges,
        bus,
        workload,
        ledger: journal.ledger,
        random,
        proxies,
        frames,
        tcp: frames.tcp,
        ctl,
        ask: (request) => LabClient.ask(port, request),
        becomes: (status) => {
          let last = ""
          const asked = Effect.map(bus.health, (now) => {
            last = JSON.stringify(now)
            return now.status === status
          })
          return eventually(`the bus is ${status}`, asked, { atMost: "20 seconds", state: () => last })
        },
        destroyed: (queue, before, most) => Effect.sync(() => void excuses.push({ queue, before, most })),
        note: (text) => Effect.sync(() => void notes.push(text))
      }
      yield* phase("injecting the fault")
      yield* expect(Effect.scoped(fault.inject(lab)))
      const healed = Date.now()
      yield* phase("recovering")
      const hasRecovered = eventually(
        "every queue handles new events",
        Effect.sync(() => journal.ledger.isFresh(workload.queues, healed)),
        { atMost: tolerances.recovery * patience, every: 5 }
      )
      recovered = yield* expect(Effect.map(hasRecovered, () => Date.now() - healed))
      if (recovered !== undefined) yield* expect(lab.becomes("healthy"))
      else yield* Effect.map(whereaboutsOf(broker, name), (text) => notes.push(text))
      yield* Effect.sleep(after)
      if (recovered !== undefined && fault.confirmed !== undefined) {
        const enough = Effect.sync(() => journal.ledger.confirmed >= (fault.confirmed ?? 0))
        yield* expect(
          eventually(`${fault.confirmed} events are confirmed`, enough, {
            atMost: "3 minutes",
            state: () => `${journal.ledger.confirmed}`
          })
        )
      }
      yield* phase("draining")
      yield* expect(workload.stop(running, 2 * publishTimeout + 20_000 * patience))
      yield* expect(quiet(workload))
    })

  /** Waits until every event is handled and all queues but those for dead letters are empty. */
  const quiet = (workload: Workload) =>
    Effect.gen(function* () {
      const { ledger } = journal
      const state = () =>
        `${ledger.pending("handled").length} not handled, in queues: ${JSON.stringify(last ?? "unknown")}`
      let last: ReadonlyArray<readonly [queue: string, messages: number]> | undefined
      yield* eventually(
        "every confirmed event is handled",
        Effect.sync(() => ledger.pending("handled").every(({ queue }) => isExcused(queue))),
        { atMost: quietTimeout * patience, every: 100, state }
      )
      // The dead letters are counted only at the end, so they must all have arrived.
      const settled = Effect.map(queuesOf(broker, name), (queues) => {
        last = queues.filter(([queue, messages]) => messages > 0 && !queue.startsWith("dlq."))
        return queues.every(([queue, messages]) => queue.startsWith("dlq.") || messages <= tolerances.left)
      })
      const isSettled = (atMost: number) =>
        eventually(`nothing waits in the queues of ${workload.queues.length} subscriptions`, settled, { atMost, state })
      const inTime = quietTimeout * patience
      // A queue of which the leader has changed may need one more delivery to find out about one that got lost.
      const shaken = Effect.gen(function* () {
        yield* Effect.map(whereaboutsOf(broker, name), (text) => notes.push(text))
        if (yield* noneIsHeld(broker)) {
          yield* Effect.forEach(workload.queues, (_, lane) => workload.publish({ lane, script: "fine" }))
        }
        yield* Effect.catch(
          isSettled(inTime / 2),
          Effect.fnUntraced(function* (breach) {
            if (last === undefined || !(yield* isLostOnItsWay(broker, new Map(last)))) return yield* Effect.fail(breach)
            notes.push("RabbitMQ keeps what was settled")
          })
        )
      })
      yield* Effect.catch(isSettled(inTime / 2), () => shaken)
    })

  /** Returns whether the fault has destroyed a part of a queue. The rest of it is then not waited for. */
  const isExcused = (queue: string): boolean => excuses.some((excuse) => excuse.queue === queue)

  /** Waits until the closed bus has left nothing open. */
  const gone = (proxies: ReadonlyArray<FrameProxy>) => {
    const left = () => proxies.reduce((sum, { tcp }) => sum + tcp.connections, 0)
    return Effect.forEach(
      [
        eventually(
          "no socket is left",
          Effect.sync(() => left() === 0),
          { atMost: 5000, state: () => `${left()}` }
        ),
        eventually(
          "no fiber is left",
          Effect.sync(() => monitor.fibers === 0),
          { atMost: 5000, state: () => `${monitor.fibers}` }
        ),
        eventually(
          "the broker has no connection of the bus",
          Effect.map(
            Effect.promise(() => broker.ctl("list_connections", "client_properties")),
            (list) => !list.includes(name)
          ),
          { atMost: 30_000 }
        )
      ],
      expect,
      { discard: true }
    )
  }

  const program = Effect.gen(function* () {
    if (fault.ownUser === true) yield* Effect.promise(() => addUser(broker, name))
    const proxies = yield* Effect.promise(() => Promise.all(broker.ports.map((port) => FrameProxy.open(port))))
    const [frames] = proxies
    if (frames === undefined) return yield* Effect.die(new Error("The broker has no ports"))
    const scope = yield* Scope.make()
    const lived = yield* Effect.exit(monitor.countFibers(Scope.provide(live(proxies, frames), scope)))
    if (Exit.isFailure(lived)) breaches.push(messageOf(lived.cause))
    yield* phase("closing")
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    yield* expect(within("the bus is closed", closeTimeout * patience)(Fiber.join(closing)))
    yield* gone(proxies)
    yield* Effect.promise(() => Promise.all(proxies.map(({ tcp }) => tcp.close())))
    yield* phase("counting")
    yield* expect(takeAll(broker, name, journal, ({ queue }) => isExcused(queue)))
    if (fault.ownUser === true) yield* expect(Effect.promise(() => broker.ctl("delete_user", name)))
    return proxies.flatMap(({ closes }) => closes)
  })

  return Effect.runPromiseExit(monitor.capture(program)).then((exit) => {
    const balance = journal.close().balance(excuses)
    const closes = Exit.isSuccess(exit) ? exit.value : []
    if (Exit.isFailure(exit)) breaches.push(messageOf(exit.cause))
    const evidence = { tolerances, closes, excuses, leaks: monitor.leaks, inFlight: inFlight(shape) }
    breaches.push(...findBreaches(balance, evidence))
    return {
      fault: fault.name,
      seed,
      ...ResultRow.counts(balance),
      recovered_ms: recovered,
      took_ms: Date.now() - started,
      breaches,
      notes,
      inspected: monitor.inspected,
      log: breaches.length === 0 ? [] : monitor.log
    }
  })
}

/** Makes an experiment of a fault on a single node. */
export const onNode = (fault: InjectedFault<SingleNode>): Experiment => ({
  name: fault.name,
  run: async (environment) => run(await environment.single.get(), fault, environment)
})

/** Makes an experiment of a fault on a cluster. */
export const onCluster = (fault: InjectedFault<Cluster>): Experiment => ({
  name: fault.name,
  run: async (environment) => run(await environment.cluster.get(), fault, environment)
})
