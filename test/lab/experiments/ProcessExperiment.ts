import { Effect, Exit } from "effect"
import { breach, until } from "../../support/eventually.ts"
import type { Breach } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { Random } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import * as Raw from "../broker/LabClient.ts"
import type { Ledger } from "../ledger/EventLedger.ts"
import { Journal } from "../ledger/Journal.ts"
import { queuesOf, takeAll } from "../ledger/LeftoverMessages.ts"
import { defaults, judge } from "../ledger/Tolerances.ts"
import { FrameProxy } from "../proxy/FrameProxy.ts"
import { Witness } from "../workload/BusMonitor.ts"
import { Child } from "../workload/WorkerProcess.ts"
import { steady } from "../workload/Workload.ts"
import type { Shape } from "../workload/Workload.ts"
import type { Env, Experiment } from "./Experiment.ts"
import type { Allowance } from "./InjectedFault.ts"
import * as Row from "./ResultRow.ts"

/** What a fault of a process has at hand while the process works. */
export interface Handover {
  readonly child: Child
  /** Its way to the broker. */
  readonly frames: FrameProxy
  readonly ledger: () => Ledger
  readonly note: (text: string) => Effect.Effect<void>
}

/** Something that happens to a process that uses the bus. */
export interface Happening {
  readonly name: string
  readonly shape?: Partial<Shape>
  readonly allow?: Partial<Allowance>
  /** The exit code or the signal by which it ends. */
  readonly end: string
  readonly happen: (handover: Handover) => Effect.Effect<void, unknown>
}

/** Milliseconds of undisturbed work before it happens. */
const before = 1000

/** The most milliseconds from being told to stop to the end: the drain of the handlers, and the goodbyes. */
const stopTimeout = 9000

const ended = (child: Child, end: string): Effect.Effect<void, Breach> =>
  Effect.andThen(
    until(
      "the process has ended",
      Effect.sync(() => child.end !== undefined),
      { atMost: stopTimeout }
    ),
    Effect.suspend(() => (child.end === end ? Effect.void : breach(`the process ended with ${child.end}, not ${end}`)))
  )

const working = (child: Child): Effect.Effect<void, Breach> =>
  until(
    "the process works",
    Effect.sync(() => child.isWorking),
    { atMost: "30 seconds", state: () => child.end ?? "it runs" }
  )

/** One process works until something happens to it, and another one finishes what it leaves. */
export const experiment = (happening: Happening): Experiment => ({
  name: happening.name,
  run: async ({ progress, seed, single }: Env) => {
    const started = Date.now()
    const site = await single.get()
    const [port = 0] = site.ports
    const name = unique("lab")
    const shape = { ...steady, ...happening.shape }
    const allowed: Allowance = {
      ...defaults,
      failures: ["Interrupted", "Killed"],
      landed: ["Killed"],
      ...happening.allow
    }
    const journal = Journal.create(name)
    const witness = new Witness()
    const [breaches, notes]: [Array<string>, Array<string>] = [[], []]
    const frames = await FrameProxy.open(port)
    const job = { name, journal: journal.path, seed: Random.of(seed, happening.name).int(0, 2 ** 31) }
    const child = Child.start({ ...job, url: url(frames.tcp.port), shape }, witness)
    let heir: Child | undefined
    let recovered: number | undefined

    const program = Effect.gen(function* () {
      progress?.("starting")
      yield* working(child)
      yield* Effect.sleep(before)
      progress?.("breaking")
      yield* happening.happen({
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
      const next = Child.start({ ...job, url: url(port), shape: { ...shape, publishers: 0 } }, witness)
      heir = next
      yield* working(next)
      const isDone = Effect.map(
        queuesOf(site, name),
        (queues) =>
          journal.read().pending("handled").length === 0 &&
          queues.every(([queue, messages]) => messages === 0 || queue.startsWith("dlq."))
      )
      yield* until("the next process has done the rest", isDone, { atMost: "40 seconds" })
      recovered = Date.now() - over
      next.signal("SIGTERM")
      yield* ended(next, "0")
      const connections = Effect.promise(() => site.ctl("list_connections", "client_properties"))
      yield* until(
        "the broker has no connection of the processes",
        Effect.map(connections, (list) => !list.includes(name)),
        { atMost: "10 seconds" }
      )
    })

    const exit = await Effect.runPromiseExit(program)
    if (Exit.isFailure(exit)) breaches.push(Raw.messageOf(exit.cause))
    await Promise.all([child.kill(), heir?.kill()])
    await frames.tcp.close()
    const taken = await Effect.runPromiseExit(takeAll(site, name, journal, () => false))
    if (Exit.isFailure(taken)) breaches.push(Raw.messageOf(taken.cause))
    const balance = journal.close().balance()
    breaches.push(...judge(balance, { allowed, closes: frames.closes, excuses: [], secrets: witness.secrets, shape }))
    return {
      fault: happening.name,
      seed,
      ...Row.counts(balance),
      recovered_ms: recovered,
      took_ms: Date.now() - started,
      breaches,
      notes,
      said: witness.said,
      log: breaches.length === 0 ? [] : witness.log
    }
  }
})
