import { Effect, Exit } from "effect"
import { eventually } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { SharedBroker, url } from "../broker/LabBroker.ts"
import type { SingleNode } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { Tolerances } from "../experiments/InjectedFault.ts"
import * as ResultRow from "../experiments/ResultRow.ts"
import { Journal } from "../ledger/Journal.ts"
import { queuesOf, takeAll } from "../ledger/LeftoverMessages.ts"
import { defaults, judge } from "../ledger/Tolerances.ts"
import * as Frame from "../proxy/Frame.ts"
import { FrameProxy } from "../proxy/FrameProxy.ts"
import { BusMonitor } from "../workload/BusMonitor.ts"
import { WorkerProcess } from "../workload/WorkerProcess.ts"
import { steady, Workload } from "../workload/Workload.ts"
import * as Trend from "./Trend.ts"

interface Stage {
  readonly broker: SingleNode
  readonly frames: FrameProxy
  readonly child: WorkerProcess
}

const ctl = ({ broker }: Stage, ...args: ReadonlyArray<string>) => Effect.promise(() => broker.ctl(...args))

const pause = (begin: () => void, millis: number, end: () => void | Promise<void>) =>
  Effect.sync(begin).pipe(Effect.andThen(Effect.sleep(millis)), Effect.andThen(Effect.promise(async () => end())))

const unknownTag = Buffer.from([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0])

/** What happens while it works, in no order. */
const happenings = {
  rst: ({ frames }: Stage) => Effect.sync(() => frames.tcp.cut()),
  fin: ({ frames }: Stage) => Effect.sync(() => frames.tcp.fin()),
  "half-open": ({ frames: { tcp } }: Stage) =>
    pause(
      () => tcp.blackHole(),
      7000,
      () => tcp.heal()
    ),
  "close-all-connections": (stage: Stage) => ctl(stage, "close_all_connections", "a fault"),
  "channel-exception": ({ frames }: Stage) =>
    Effect.sync(() =>
      frames.say(({ consuming: [channel] }) =>
        channel === undefined ? undefined : Frame.method(channel, Frame.Method.basicAck, unknownTag)
      )
    ),
  "kill-9": ({ broker }: Stage) => Effect.promise(() => broker.node.restart()),
  "stop-app": (stage: Stage) => Effect.andThen(ctl(stage, "stop_app"), ctl(stage, "start_app")),
  "memory-alarm": (stage: Stage) =>
    Effect.scoped(
      Effect.andThen(
        Effect.acquireRelease(ctl(stage, "set_vm_memory_high_watermark", "absolute", "1MB"), () =>
          ctl(stage, "set_vm_memory_high_watermark", "absolute", "512MB")
        ),
        Effect.sleep("3 seconds")
      )
    ),
  "process-stopped": ({ child }: Stage) =>
    pause(
      () => child.signal("SIGSTOP"),
      7000,
      () => child.signal("SIGCONT")
    )
}

type Kind = keyof typeof happenings

const kinds = [
  "rst",
  "fin",
  "half-open",
  "close-all-connections",
  "channel-exception",
  "kill-9",
  "stop-app",
  "memory-alarm",
  "process-stopped"
] as const satisfies ReadonlyArray<Kind>

const tolerances: Tolerances = {
  ...defaults,
  failures: ["Killed"],
  landed: ["Killed"],
  closes: ["320 CONNECTION_FORCED", "406 PRECONDITION_FAILED - unknown delivery tag"],
  // As many as there are faults: it is the number that the row shows which matters.
  disruptions: Infinity,
  // What waits for its next attempt when the process ends is still in its queue.
  left: 100
}

const shape = { ...steady, publishers: 4, pause: 16 }

/** How a soak stands. */
export interface Status {
  readonly elapsed: number
  readonly faults: number
  readonly confirmed: number
  readonly handled: number
  readonly heap: number | undefined
}

/** What came of a soak. */
export interface Result {
  readonly row: ResultRow.ResultRow
  readonly faults: { readonly [name: string]: number }
  readonly heap: Trend.Trend
  readonly rss: Trend.Trend
}

/** MB that the heap may grow in an hour; what is clearly more is a leak. */
const mostGrowth = 10

/** The memory of the first part of a run says nothing: code is still compiled, and buffers grow to their size. */
const warmUp = 0.3

/** A process at steady load, to which something happens every few seconds, for some minutes. */
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
      const kind = random.pick(kinds)
      counts[kind] = (counts[kind] ?? 0) + 1
      yield* happenings[kind]({ broker, frames: proxy, child: worker })
      const healed = Date.now()
      const isBack = Effect.sync(() => journal.ledger.isFresh(queues, healed))
      yield* eventually(`every queue handles new events after ${kind}`, isBack, { atMost: "60 seconds" })
      slowest = Math.max(slowest, Date.now() - healed)
    }
    worker.signal("SIGTERM")
    yield* eventually(
      "the process has ended",
      Effect.sync(() => worker.end !== undefined),
      { atMost: "15 seconds" }
    )
    if (worker.end !== "0") breaches.push(`the process ended with ${worker.end}`)
    journal.follow()
    for (const id of journal.ledger.balance().unanswered) journal.failed(id, "Killed")
    yield* takeAll(broker, name, journal, () => false)
    const left = (yield* queuesOf(broker, name)).length
    if (left > 0) breaches.push(`${left} queues left`)
  })

  const exit = await Effect.runPromiseExit(Effect.scoped(program))
  if (Exit.isFailure(exit)) breaches.push(LabClient.messageOf(exit.cause))
  await child?.kill()
  await frames?.tcp.close()
  await single.stop()
  const balance = journal.close().balance()
  const closes = frames?.closes ?? []
  breaches.push(...judge(balance, { tolerances, closes, excuses: [], leaks: monitor.leaks, shape }))
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
