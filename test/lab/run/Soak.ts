import { Effect, Exit } from "effect"
import { eventually, messageOf } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import { SharedBroker } from "../broker/SharedBroker.ts"
import * as ResultRow from "../experiments/ResultRow.ts"
import { findBreaches } from "../ledger/findBreaches.ts"
import { Journal } from "../ledger/Journal.ts"
import { queuesOf, takeAll } from "../ledger/LeftoverMessages.ts"
import { defaults } from "../ledger/Tolerances.ts"
import type { Tolerances } from "../ledger/Tolerances.ts"
import { FrameProxy } from "../proxy/FrameProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { WorkerProcess } from "../workload/WorkerProcess.ts"
import { Workload } from "../workload/Workload.ts"
import { inFlight, steady } from "../workload/WorkloadShape.ts"
import { soakFaultNames, soakFaults } from "./soakFaults.ts"
import * as Trend from "./Trend.ts"

const tolerances: Tolerances = {
  ...defaults,
  failures: ["Killed"],
  landed: ["Killed"],
  closes: ["320 CONNECTION_FORCED", "406 PRECONDITION_FAILED - unknown delivery tag"],
  // There are many faults, so the number of duplicates has no limit. It is in the result.
  disruptions: Infinity,
  // Events that wait for their next attempt when the process ends are still in a queue.
  left: 100
}

const shape = { ...steady, publishers: 4, pause: 16 }

/** The progress of a soak. */
export interface Status {
  readonly elapsed: number
  readonly faults: number
  readonly confirmed: number
  readonly handled: number
  readonly heap: number | undefined
}

/** The result of a soak. */
export interface Result {
  readonly row: ResultRow.ResultRow
  readonly faults: { readonly [name: string]: number }
  readonly heap: Trend.Trend
  readonly rss: Trend.Trend
}

/** The MB that the heap may grow in an hour. A clearly larger growth is a leak. */
const mostGrowth = 10

/** The part of a run at its beginning that is not measured, because code is still compiled and buffers still grow. */
const warmUp = 0.3

/** Runs a process under steady load for some minutes, and injects a fault every few seconds. */
export const run = async (minutes: number, seed: number, report: (status: Status) => void): Promise<Result> => {
  const random = SeededRandom.of(seed, "soak")
  const started = Date.now()
  const single = SharedBroker.single()
  const name = unique("soak")
  const journal = Journal.create(name)
  const monitor = new BusMonitor()
  const [breaches, counts]: [Array<string>, Record<string, number>] = [[], {}]
  const queues = Workload.queuesOf(name, shape)
  let frames: FrameProxy | undefined
  let child: WorkerProcess | undefined
  let slowest = 0

  const program = Effect.gen(function* () {
    const broker = yield* Effect.promise(() => single.get())
    const [port = 0] = broker.ports
    const proxy = yield* Effect.promise(() => FrameProxy.open(port))
    frames = proxy
    const job = { name, journal: journal.path, seed, shape, url: url(proxy.tcp.port) }
    const worker = WorkerProcess.start(job, monitor)
    child = worker
    const working = Effect.sync(() => worker.isWorking)
    yield* eventually("the process works", working, { atMost: "30 seconds", state: () => worker.end ?? "it runs" })
    const begun = Date.now()
    const end = begun + minutes * 60_000
    const tick = Effect.sync(() => {
      journal.follow()
      const { confirmed, handled } = journal.ledger
      const faults = Object.values(counts).reduce((sum, count) => sum + count, 0)
      report({ elapsed: Date.now() - begun, faults, confirmed, handled, heap: worker.memory.at(-1)?.heap })
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(tick, Effect.sleep("1 second"))))
    while (Date.now() < end) {
      yield* Effect.sleep(random.int(1500, 4000))
      const kind = random.pick(soakFaultNames)
      counts[kind] = (counts[kind] ?? 0) + 1
      yield* soakFaults[kind]({ broker, frames: proxy, worker })
      const healed = Date.now()
      const isBack = Effect.sync(() => journal.ledger.isFresh(queues, healed))
      yield* eventually(`every queue handles new events after ${kind}`, isBack, { atMost: "60 seconds" })
      slowest = Math.max(slowest, Date.now() - healed)
    }
    worker.signal("SIGTERM")
    yield* eventually(
      "the process has ended",
      Effect.sync(() => worker.end !== undefined),
      { atMost: "60 seconds" }
    )
    if (worker.end !== "0") breaches.push(`the process ended with ${worker.end}`)
    journal.follow()
    for (const id of journal.ledger.balance().unanswered) journal.failed(id, "Killed")
    yield* takeAll(broker, name, journal, () => false)
    const left = (yield* queuesOf(broker, name)).length
    if (left > 0) breaches.push(`${left} queues left`)
  })

  const exit = await Effect.runPromiseExit(Effect.scoped(program))
  if (Exit.isFailure(exit)) breaches.push(messageOf(exit.cause))
  await child?.kill()
  await frames?.tcp.close()
  await single.stop()
  const balance = journal.close().balance()
  const closes = frames?.closes ?? []
  const evidence = { tolerances, closes, excuses: [], leaks: monitor.leaks, inFlight: inFlight(shape) }
  breaches.push(...findBreaches(balance, evidence))
  const memory = child?.memory ?? []
  const kept = memory.slice(Math.floor(memory.length * warmUp))
  const trend = (of: "heap" | "rss") => Trend.of(kept.map((sample) => [sample.at, sample[of]]))
  const [heap, rss] = [trend("heap"), trend("rss")]
  if (!(heap.perHour - 3 * heap.error < mostGrowth)) breaches.push(`the heap grows by ${heap.perHour.toFixed(1)} MB/h`)
  return {
    faults: counts,
    heap,
    rss,
    row: {
      fault: "soak",
      seed,
      ...ResultRow.counts(balance),
      recovered_ms: slowest,
      took_ms: Date.now() - started,
      breaches,
      notes: [],
      inspected: monitor.inspected,
      log: breaches.length === 0 ? [] : monitor.log
    }
  }
}
