import { Effect, Exit } from "effect"
import { breach, eventually } from "../../support/eventually.ts"
import type { Breach } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { EventLedger } from "../ledger/EventLedger.ts"
import { Journal } from "../ledger/Journal.ts"
import { queuesOf, takeAll } from "../ledger/LeftoverMessages.ts"
import { defaults, judge } from "../ledger/Tolerances.ts"
import { FrameProxy } from "../proxy/FrameProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { WorkerProcess } from "../workload/WorkerProcess.ts"
import { steady } from "../workload/Workload.ts"
import type { Shape } from "../workload/Workload.ts"
import type { Environment, Experiment } from "./Experiment.ts"
import type { Tolerances } from "./InjectedFault.ts"
import * as ResultRow from "./ResultRow.ts"

/** What a fault of a process has at hand while the process works. */
export interface ProcessContext {
  readonly child: WorkerProcess
  /** Its way to the broker. */
  readonly frames: FrameProxy
  readonly ledger: () => EventLedger
  readonly note: (text: string) => Effect.Effect<void>
}

/** Something that happens to a process that uses the bus. */
export interface ProcessFault {
  readonly name: string
  readonly shape?: Partial<Shape>
  readonly allow?: Partial<Tolerances>
  /** The exit code or the signal by which it ends. */
  readonly end: string
  readonly inject: (handover: ProcessContext) => Effect.Effect<void, unknown>
}

/** Milliseconds of undisturbed work before it happens. */
const before = 1000

/** The most milliseconds from being told to stop to the end: the drain of the handlers, and the goodbyes. */
const stopTimeout = 9000

const ended = (child: WorkerProcess, end: string): Effect.Effect<void, Breach> =>
  Effect.andThen(
    eventually(
      "the process has ended",
      Effect.sync(() => child.end !== undefined),
      { atMost: stopTimeout }
    ),
    Effect.suspend(() => (child.end === end ? Effect.void : breach(`the process ended with ${child.end}, not ${end}`)))
  )

const working = (child: WorkerProcess): Effect.Effect<void, Breach> =>
  eventually(
    "the process works",
    Effect.sync(() => child.isWorking),
    { atMost: "30 seconds", state: () => child.end ?? "it runs" }
  )

/** One process works until something happens to it, and another one finishes what it leaves. */
export const experiment = (happening: ProcessFault): Experiment => ({
  name: happening.name,
  run: async ({ progress, seed, single }: Environment) => {
    const started = Date.now()
    const broker = await single.get()
    const [port = 0] = broker.ports
    const name = unique("lab")
    const shape = { ...steady, ...happening.shape }
    const tolerances: Tolerances = {
      ...defaults,
      failures: ["Interrupted", "Killed"],
      landed: ["Killed"],
      ...happening.allow
    }
    const journal = Journal.create(name)
    const monitor = new BusMonitor()
    const [breaches, notes]: [Array<string>, Array<string>] = [[], []]
    const frames = await FrameProxy.open(port)
    const job = { name, journal: journal.path, seed: SeededRandom.of(seed, happening.name).int(0, 2 ** 31) }
    const child = WorkerProcess.start({ ...job, url: url(frames.tcp.port), shape }, monitor)
    let heir: WorkerProcess | undefined
    let recovered: number | undefined

    const program = Effect.gen(function* () {
      progress?.("starting")
      yield* working(child)
      yield* Effect.sleep(before)
      progress?.("breaking")
      yield* happening.inject({
        child,
        frames,
        ledger: () => journal.read(),
        note: (text) => Effect.sync(() => void notes.push(text))
      })
      yield* ended(child, happening.end)
      // Nobody can say any more what became of these.
      for (const id of journal.read().balance().unanswered) journal.failed(id, "Killed")
      progress?.("handing over")
      const over = Date.now()
      const next = WorkerProcess.start({ ...job, url: url(port), shape: { ...shape, publishers: 0 } }, monitor)
      heir = next
      yield* working(next)
      const isDone = Effect.map(
        queuesOf(broker, name),
        (queues) =>
          journal.read().pending("handled").length === 0 &&
          queues.every(([queue, messages]) => messages === 0 || queue.startsWith("dlq."))
      )
      yield* eventually("the next process has done the rest", isDone, { atMost: "40 seconds" })
      recovered = Date.now() - over
      next.signal("SIGTERM")
      yield* ended(next, "0")
      const connections = Effect.promise(() => broker.ctl("list_connections", "client_properties"))
      yield* eventually(
        "the broker has no connection of the processes",
        Effect.map(connections, (list) => !list.includes(name)),
        { atMost: "10 seconds" }
      )
    })

    const exit = await Effect.runPromiseExit(program)
    if (Exit.isFailure(exit)) breaches.push(LabClient.messageOf(exit.cause))
    await Promise.all([child.kill(), heir?.kill()])
    await frames.tcp.close()
    const taken = await Effect.runPromiseExit(takeAll(broker, name, journal, () => false))
    if (Exit.isFailure(taken)) breaches.push(LabClient.messageOf(taken.cause))
    const balance = journal.close().balance()
    breaches.push(...judge(balance, { tolerances, closes: frames.closes, excuses: [], leaks: monitor.leaks, shape }))
    return {
      fault: happening.name,
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
