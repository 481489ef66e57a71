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
  /** The number of times that a process is killed. */
  readonly kills: number
}

const keys = 16
const eventsOfKey = 150

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

const kill = async (child: ChildProcess | undefined): Promise<void> => {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill("SIGKILL")
  await ended
}

/** Counts what was handled, by the lines of the journal. An event that was handled twice counts where it came first. */
const read = (journal: string) => {
  const lines = readFileSync(journal, "utf8").split("\n").slice(0, -1)
  const seen = new Set<string>()
  const last = new Map<string, number>()
  let inversions = 0
  for (const line of lines) {
    if (seen.has(line)) continue
    seen.add(line)
    const [key = "", n = ""] = line.split(" ")
    if (Number(n) < (last.get(key) ?? -1)) inversions++
    last.set(key, Math.max(Number(n), last.get(key) ?? -1))
  }
  return { handled: seen.size, duplicates: lines.length - seen.size, inversions }
}

/** Makes an experiment in which processes that handle an ordered queue are killed, while handlers fail at random. */
export const experiment = ({ isOrdered, kills, name: fault }: OrderedRow): Experiment => ({
  name: fault,
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
    const total = keys * eventsOfKey
    let confirmed = 0
    let recovered: number | undefined
    const start = Effect.promise(async () => {
      const job = { url: url(port), name, journal, isOrdered, seed: random.int(0, 2 ** 31) }
      workers.push(await startWorker(job, monitor))
    })

    const program = Effect.gen(function* () {
      yield* Effect.all([start, start], { concurrency: 2 })
      const broker = AmqpBroker.layer({ url: Redacted.make(url(port)), exchange: name })
      const bus = Context.get(yield* Layer.build(Layer.provide(EventBus.layer, broker)), EventBus.EventBus)
      const publishing = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: keys }, (_, i) => `k${i}`),
          (key) =>
            Effect.forEach(
              Array.from({ length: eventsOfKey }, (_, n) => n),
              (n) =>
                Effect.gen(function* () {
                  const event = yield* OrderedWork.event({ key, n })
                  yield* bus.publish(event, { routingKey: "lab.ordered", unroutable: "fail" })
                  confirmed++
                  yield* Effect.sleep(random.int(0, 40))
                }),
              { discard: true }
            ),
          { concurrency: "unbounded", discard: true }
        )
      )
      const replay = Effect.ignore(bus.deadLetters(queue).replay())
      progress?.("killing")
      for (let i = 0; i < kills; i++) {
        yield* Effect.sleep(random.int(200, 900))
        // The oldest is the active one.
        const oldest = workers.shift()
        yield* Effect.promise(() => kill(oldest))
        yield* start
        if (random.int(0, 1) === 0) yield* replay
      }
      yield* Fiber.join(publishing)
      progress?.("finishing")
      const healed = Date.now()
      yield* eventually(
        "every event is handled",
        Effect.andThen(
          replay,
          Effect.sync(() => read(journal).handled === total)
        ),
        { atMost: 120_000 * patience, every: "300 millis", state: () => JSON.stringify(read(journal)) }
      )
      recovered = Date.now() - healed
    }).pipe(Effect.scoped)

    const exit = await Effect.runPromiseExit(monitor.capture(program))
    if (Exit.isFailure(exit)) breaches.push(messageOf(exit.cause))
    await Promise.all(workers.map(kill))
    await Leftovers.remove(url(port), { queues: [queue, `dlq.${queue}`], exchanges: [name, `${name}_dlx`] })
    const { duplicates, handled, inversions } = read(journal)
    rmSync(journal, { force: true })
    if (isOrdered && inversions > 0)
      breaches.push(`${inversions} events were handled before an earlier one of their key`)
    if (!isOrdered && inversions === 0)
      breaches.push("an unordered subscription has kept the order: nothing was tested")
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
      notes: [`${inversions} inversions, ${kills} kills`],
      breaches,
      inspected: monitor.inspected,
      log: breaches.length === 0 ? [] : monitor.log
    }
  }
})
