import { Effect, Exit } from "effect"
import { breach, eventually, messageOf } from "../../support/eventually.ts"
import type { Breach } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import type { EventLedger } from "../ledger/EventLedger.ts"
import { findBreaches } from "../ledger/findBreaches.ts"
import { Journal } from "../ledger/Journal.ts"
import { queuesOf, takeAll } from "../ledger/LeftoverMessages.ts"
import { defaults } from "../ledger/Tolerances.ts"
import type { Tolerances } from "../ledger/Tolerances.ts"
import { FrameProxy } from "../proxy/FrameProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { WorkerProcess } from "../workload/WorkerProcess.ts"
import { inFlight, steady } from "../workload/WorkloadShape.ts"
import type { WorkloadShape } from "../workload/WorkloadShape.ts"
import type { Environment, Experiment } from "./Experiment.ts"
import * as ResultRow from "./ResultRow.ts"

/** Everything that a fault of a process can use while the process works. */
export interface ProcessContext {
  readonly worker: WorkerProcess
  /** The proxy between the process and the broker. */
  readonly frames: FrameProxy
  readonly ledger: () => EventLedger
  readonly note: (text: string) => Effect.Effect<void>
}

/** A fault of a process that uses the bus. The process ends by it. */
export interface ProcessFault {
  readonly name: string
  readonly shape?: Partial<WorkloadShape>
  readonly allow?: Partial<Tolerances>
  /** The exit code or the signal that ends the process. */
  readonly end: string
  readonly inject: (context: ProcessContext) => Effect.Effect<void, unknown>
}

/** Milliseconds of work before the fault. */
const before = 1000

/** The most milliseconds that a process may take to stop: to drain its handlers and close its connections. */
const stopTimeout = 9000

const hasEnded = (worker: WorkerProcess, end: string): Effect.Effect<void, Breach> =>
  Effect.andThen(
    eventually(
      "the process has ended",
      Effect.sync(() => worker.end !== undefined),
      { atMost: stopTimeout }
    ),
    Effect.suspend(() =>
      worker.end === end ? Effect.void : breach(`the process ended with ${worker.end}, not ${end}`)
    )
  )

const isWorking = (worker: WorkerProcess): Effect.Effect<void, Breach> =>
  eventually(
    "the process works",
    Effect.sync(() => worker.isWorking),
    { atMost: "30 seconds", state: () => worker.end ?? "it runs" }
  )

/** Makes an experiment in which one process works until a fault ends it, and a second one finishes its work. */
export const experiment = (fault: ProcessFault): Experiment => ({
  name: fault.name,
  run: async ({ progress, seed, single }: Environment) => {
    const started = Date.now()
    const broker = await single.get()
    const [port = 0] = broker.ports
    const name = unique("lab")
    const shape = { ...steady, ...fault.shape }
    const tolerances: Tolerances = {
      ...defaults,
      failures: ["Interrupted", "Killed"],
      landed: ["Killed"],
      ...fault.allow
    }
    const journal = Journal.create(name)
    const monitor = new BusMonitor()
    const [breaches, notes]: [Array<string>, Array<string>] = [[], []]
    const frames = await FrameProxy.open(port)
    const job = { name, journal: journal.path, seed: SeededRandom.of(seed, fault.name).int(0, 2 ** 31) }
    const worker = WorkerProcess.start({ ...job, url: url(frames.tcp.port), shape }, monitor)
    let successor: WorkerProcess | undefined
    let recovered: number | undefined

    const program = Effect.gen(function* () {
      progress?.("starting")
      yield* isWorking(worker)
      yield* Effect.sleep(before)
      progress?.("injecting the fault")
      yield* fault.inject({
        worker,
        frames,
        ledger: () => journal.read(),
        note: (text) => Effect.sync(() => void notes.push(text))
      })
      yield* hasEnded(worker, fault.end)
      // The outcome of these publishes died with the process.
      for (const id of journal.read().balance().unanswered) journal.failed(id, "Killed")
      progress?.("taking over")
      const over = Date.now()
      const next = WorkerProcess.start({ ...job, url: url(port), shape: { ...shape, publishers: 0 } }, monitor)
      successor = next
      yield* isWorking(next)
      const isDone = Effect.map(
        queuesOf(broker, name),
        (queues) =>
          journal.read().pending("handled").length === 0 &&
          queues.every(([queue, messages]) => messages === 0 || queue.startsWith("dlq."))
      )
      yield* eventually("the second process has finished the work", isDone, { atMost: "40 seconds" })
      recovered = Date.now() - over
      next.signal("SIGTERM")
      yield* hasEnded(next, "0")
      const connections = Effect.promise(() => broker.ctl("list_connections", "client_properties"))
      yield* eventually(
        "the broker has no connection of the processes",
        Effect.map(connections, (list) => !list.includes(name)),
        { atMost: "10 seconds" }
      )
    })

    const exit = await Effect.runPromiseExit(program)
    if (Exit.isFailure(exit)) breaches.push(messageOf(exit.cause))
    await Promise.all([worker.kill(), successor?.kill()])
    await frames.tcp.close()
    const taken = await Effect.runPromiseExit(takeAll(broker, name, journal, () => false))
    if (Exit.isFailure(taken)) breaches.push(messageOf(taken.cause))
    const balance = journal.close().balance()
    const { closes } = frames
    const evidence = { tolerances, closes, excuses: [], leaks: monitor.leaks, inFlight: inFlight(shape) }
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
  }
})
