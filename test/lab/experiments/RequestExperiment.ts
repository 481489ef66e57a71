import { Effect, Exit, Fiber, Scope } from "effect"
import { eventually, messageOf, within } from "../../support/eventually.ts"
import * as Leftovers from "../../support/Leftovers.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import type { TcpProxy } from "../proxy/TcpProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { RequestStorm, type StormShape } from "../workload/RequestStorm.ts"
import type { Environment, Experiment } from "./Experiment.ts"
import * as ResultRow from "./ResultRow.ts"

/** The parts of a request that a fault can disturb. */
export interface RequestContext {
  readonly requester: TcpProxy
  /** The first responder. */
  readonly responder: TcpProxy
  /** Ends the oldest responder as a kill does, and starts another one. */
  readonly replaceResponder: Effect.Effect<void, unknown>
  /** Whether all calls have ended. */
  readonly isOver: () => boolean
  readonly random: SeededRandom
}

/** A fault of those who request and those who reply. */
export interface RequestFault {
  readonly name: string
  readonly shape: Partial<StormShape>
  /** Whether a call may end without an answer. */
  readonly mayTimeOut: boolean
  readonly inject: (context: RequestContext) => Effect.Effect<void, unknown>
}

const defaults: StormShape = { calls: 3000, concurrency: 64, timeout: [30_000, 30_000], handling: 10 }

/** The part of the calls that end before the fault. A time would be too long for a fast machine: all of them would have ended. */
const before = 0.1

/** Makes an experiment of calls through a fault: no wrong answer, none in vain, and nothing left. */
export const experiment = (fault: RequestFault): Experiment => ({
  name: fault.name,
  run: async ({ patience = 1, progress, seed, single }: Environment) => {
    const started = Date.now()
    const broker = await single.get()
    const [port = 0] = broker.ports
    const name = Leftovers.unique("lab")
    const random = SeededRandom.of(seed, fault.name)
    const shape = { ...defaults, ...fault.shape }
    const monitor = new BusMonitor()
    const storm = new RequestStorm({ port, url, name }, shape, random)
    let recovered: number | undefined

    const live = Effect.gen(function* () {
      const { bus, tcp } = yield* storm.bus()
      const responders = [yield* storm.responder(), yield* storm.responder()]
      const [first] = responders
      if (first === undefined) return yield* Effect.die(new Error("There is no responder"))
      const scope = yield* Effect.scope
      progress?.("calling")
      const calling = yield* Effect.forkChild(storm.calls(bus))
      yield* eventually(
        "the first calls end",
        Effect.sync(() => storm.ended >= before * shape.calls),
        { every: 5 }
      )
      if (storm.ended === shape.calls) storm.breaches.push("all calls ended before the fault")
      progress?.("injecting the fault")
      yield* fault.inject({
        requester: tcp,
        responder: first.tcp,
        random,
        isOver: () => storm.ended === shape.calls,
        replaceResponder: Effect.gen(function* () {
          responders.push(yield* Scope.provide(storm.responder(), scope))
          yield* responders.shift()?.vanish ?? Effect.void
        })
      })
      const healed = Date.now()
      progress?.("waiting for the calls")
      yield* within("every call ends", 90_000 * patience, () => `${storm.ended} of ${shape.calls}`)(Fiber.join(calling))
      recovered = Date.now() - healed
      yield* eventually(
        "no call waits",
        Effect.map(storm.waiting, (waiting) => waiting === 0),
        { atMost: 1000 }
      )
    })

    const program = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const exit = yield* Effect.exit(Scope.provide(live, scope))
      if (Exit.isFailure(exit)) storm.breaches.push(messageOf(exit.cause))
      progress?.("closing")
      yield* within("the buses are closed", 20_000)(Scope.close(scope, Exit.void))
      const queues = yield* Effect.promise(() => broker.ctl("list_queues", "name"))
      const left = [...storm.replyQueues].filter((queue) => queues.includes(queue))
      if (left.length > 0) storm.breaches.push(`queues are left: ${left.join(", ")}`)
    })

    const exit = await Effect.runPromiseExit(monitor.capture(program))
    if (Exit.isFailure(exit)) storm.breaches.push(messageOf(exit.cause))
    await Leftovers.remove(url(port), {
      queues: [storm.queue, `dlq.${storm.queue}`, ...storm.replyQueues],
      exchanges: [name, `${name}_dlx`]
    })
    for (const leak of monitor.leaks) storm.breaches.push(`the password is in ${leak}`)
    const silent = storm.failed["NoReply"] ?? 0
    if (!fault.mayTimeOut && silent > 0) storm.breaches.push(`${silent} calls got no reply`)
    return {
      ...ResultRow.empty,
      fault: fault.name,
      seed,
      confirmed: storm.ended,
      handled: storm.answered,
      failed: storm.failed,
      recovered_ms: recovered,
      took_ms: Date.now() - started,
      breaches: storm.breaches.slice(0, 10),
      inspected: monitor.inspected,
      log: storm.breaches.length === 0 ? [] : monitor.log
    }
  }
})
