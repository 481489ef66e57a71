import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { Context, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { EventBus } from "effect-eventbus"
import { eventually, messageOf } from "../../support/eventually.ts"
import * as Leftovers from "../../support/Leftovers.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import type { OrderedJob } from "../workload/orderedMain.ts"
import { OrderedWork } from "../workload/OrderedWork.ts"
import type { Environment, Experiment } from "./Experiment.ts"
import * as ResultRow from "./ResultRow.ts"

/** An experiment with a queue whose events have an order within their keys. */
export interface OrderedRow {
  readonly name: string
  /** Whether the subscription is ordered. One that is not must show inversions, or the experiment would find none. */
  readonly isOrdered: boolean
  /** The number of times that the active process ends. */
  readonly ends: number
  /** The way in which it ends: it is killed, or it is asked to stop. */
  readonly signal: "SIGKILL" | "SIGTERM"
  /** The number of events of each key. */
  readonly events: number
  /** The number of attempts in a thousand that park their key. */
  readonly doomed: number
}

const keys = 16

/** The key of events that never fail, by which a hand-over is measured. */
const beat = "beat"

/** The time between two of its events, in milliseconds. */
const beatEvery = 10

/** The longest time from a signal to the first event that the next process handles, in milliseconds. */
const targets = { SIGKILL: 2000, SIGTERM: 1000 } as const

/** A machine that is busy with other work is ten times slower. */
const tolerance = 10

/** Starts a process that handles events, and returns when it does. */
const startWorker = async (job: OrderedJob, monitor: BusMonitor): Promise<ChildProcess> => {
  const child = spawn(
    process.execPath,
    [...process.execArgv, join(import.meta.dirname, "../workload/orderedMain.ts")],
    {
      env: { ...process.env, EVENTBUS_LAB_JOB: JSON.stringify(job) },
      stdio: ["pipe", "pipe", "pipe"]
    }
  )
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        if (line === "working") resolve()
        else monitor.addLogLine(line)
      })
    }
    child.once("exit", (code, signal) => reject(new Error(`a process ended with ${code ?? signal}`)))
  })
  return child
}

const end = async (child: ChildProcess | undefined, signal: OrderedRow["signal"] = "SIGKILL"): Promise<void> => {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill(signal)
  await ended
}

interface Line {
  readonly key: string
  readonly n: number
  /** The process that has handled the event, and when. */
  readonly pid: number
  readonly at: number
}

const linesOf = (journal: string): ReadonlyArray<Line> =>
  readFileSync(journal, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [key = "", ...numbers] = line.split(" ")
      const [n = NaN, pid = NaN, at = NaN] = numbers.map(Number)
      return { key, n, pid, at }
    })

/** Counts what was handled, by the lines of the journal. An event that was handled twice counts where it came first. */
const read = (journal: string) => {
  const lines = linesOf(journal)
  const seen = new Set<string>()
  const last = new Map<string, number>()
  let inversions = 0
  for (const { key, n } of lines) {
    const event = `${key} ${n}`
    if (seen.has(event)) continue
    seen.add(event)
    if (n < (last.get(key) ?? -1)) inversions++
    last.set(key, Math.max(n, last.get(key) ?? -1))
  }
  return { handled: seen.size, duplicates: lines.length - seen.size, inversions }
}

/** Returns the times from each signal to the first event that another process has handled, the shortest first. */
const handOvers = (journal: string, ended: ReadonlyArray<Pick<Line, "pid" | "at">>): ReadonlyArray<number> => {
  const beats = linesOf(journal).filter(({ key }) => key === beat)
  return ended
    .flatMap(({ at, pid }) => {
      const first = beats.find((line) => line.pid !== pid && line.at >= at)
      return first === undefined ? [] : [first.at - at]
    })
    .toSorted((a, b) => a - b)
}

/** Returns the factor for all times of an experiment with many events: up to 625 of a key, the usual ones do. */
const longer = (events: number): number => Math.max(1, events / 625)

/** Makes an experiment in which processes that handle an ordered queue end, while handlers fail at random. */
export const experiment = ({ doomed, ends, events, isOrdered, name: fault, signal }: OrderedRow): Experiment => ({
  name: fault,
  timeLimit: 300_000 * longer(events),
  run: async ({ patience = 1, progress, seed, single }: Environment) => {
    const started = Date.now()
    const broker = await single.get()
    const [port = 0] = broker.ports
    const name = Leftovers.unique("lab")
    const queue = `${name}.ordered`
    const random = SeededRandom.of(seed, fault)
    const journal = join(tmpdir(), `eventbus-ordered-${process.pid}-${name}`)
    writeFileSync(journal, "")
    const monitor = new BusMonitor()
    const workers: Array<ChildProcess> = []
    const breaches: Array<string> = []
    const ended: Array<Pick<Line, "pid" | "at">> = []
    let beats = 0
    let isBeating = true
    let confirmed = 0
    let recovered: number | undefined
    const start = Effect.promise(async () => {
      const job = { url: url(port), name, journal, isOrdered, doomed, seed: random.int(0, 2 ** 31) }
      workers.push(await startWorker(job, monitor))
    })

    const program = Effect.gen(function* () {
      yield* Effect.all([start, start], { concurrency: 2 })
      const broker = AmqpBroker.layer({ url: Redacted.make(url(port)), exchange: name })
      const bus = Context.get(yield* Layer.build(Layer.provide(EventBus.layer, broker)), EventBus.EventBus)
      const publish = Effect.fnUntraced(function* (key: string, n: number) {
        const event = yield* OrderedWork.event({ key, n })
        yield* bus.publish(event, { routingKey: "lab.ordered", unroutable: "fail" })
        confirmed++
      })
      const beating = yield* Effect.forkChild(
        Effect.whileLoop({
          while: () => isBeating,
          body: () => Effect.andThen(publish(beat, beats++), Effect.sleep(beatEvery)),
          step: () => {}
        })
      )
      const publishing = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: keys }, (_, i) => `k${i}`),
          (key) =>
            Effect.forEach(
              Array.from({ length: events }, (_, n) => n),
              (n) => Effect.andThen(publish(key, n), Effect.sleep(random.int(0, 40))),
              { discard: true }
            ),
          { concurrency: "unbounded", discard: true }
        )
      )
      const replay = Effect.ignore(bus.deadLetters(queue).replay())
      progress?.("ending processes")
      for (let i = 0; i < ends; i++) {
        yield* Effect.sleep(random.int(200, 900) * longer(events))
        // The oldest is the active one.
        const oldest = workers.shift()
        ended.push({ pid: oldest?.pid ?? NaN, at: Date.now() })
        yield* Effect.promise(() => end(oldest, signal))
        yield* start
        if (random.int(0, 1) === 0) yield* replay
      }
      isBeating = false
      yield* Fiber.join(beating)
      yield* Fiber.join(publishing)
      progress?.("finishing")
      const healed = Date.now()
      let before = -1
      yield* eventually(
        "every event is handled",
        Effect.suspend(() => {
          const { handled } = read(journal)
          const isStill = handled === before
          before = handled
          // Each replay of a key looks at all dead letters, so another one waits until this one is done.
          return Effect.as(isStill ? replay : Effect.void, handled === keys * events + beats)
        }),
        { atMost: 120_000 * patience * longer(events), every: "300 millis", state: () => JSON.stringify(read(journal)) }
      )
      recovered = Date.now() - healed
    }).pipe(Effect.scoped)

    const exit = await Effect.runPromiseExit(monitor.capture(program))
    if (Exit.isFailure(exit)) breaches.push(messageOf(exit.cause))
    await Promise.all(workers.map((worker) => end(worker)))
    await Leftovers.remove(url(port), { queues: [queue, `dlq.${queue}`], exchanges: [name, `${name}_dlx`] })
    const { duplicates, handled, inversions } = read(journal)
    const times = isOrdered ? handOvers(journal, ended) : []
    const longest = times.at(-1)
    rmSync(journal, { force: true })
    if (isOrdered && inversions > 0)
      breaches.push(`${inversions} events were handled before an earlier one of their key`)
    if (!isOrdered && inversions === 0)
      breaches.push("an unordered subscription has kept the order: nothing was tested")
    if (isOrdered && ended.length > 0 && longest === undefined) breaches.push("no process has taken over from another")
    if (longest !== undefined && longest > targets[signal] * tolerance * patience) {
      breaches.push(`a process took over ${longest} ms after ${signal}`)
    }
    for (const leak of monitor.leaks) breaches.push(`the password is in ${leak}`)
    return {
      ...ResultRow.empty,
      fault,
      seed,
      confirmed,
      handled,
      lost: confirmed - handled,
      duplicates,
      recovered_ms: recovered,
      took_ms: Date.now() - started,
      notes: [
        `${inversions} inversions, ${ended.length} times ${signal}`,
        ...(longest === undefined
          ? []
          : [`hand-over: half within ${times[Math.floor((times.length - 1) / 2)]} ms, all within ${longest} ms`])
      ],
      breaches,
      inspected: monitor.inspected,
      log: breaches.length === 0 ? [] : monitor.log
    }
  }
})
