/** A process that uses the bus like a service: it works until a signal stops it, and then exits with 0. */
import { AmqpBroker } from "@effect-eventbus/amqp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Exit, Layer, Redacted, Runtime } from "effect"
import { EventBus } from "effect-eventbus"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { Journal } from "../ledger/Journal.ts"
import { Workload } from "./Workload.ts"
import type { WorkloadShape } from "./WorkloadShape.ts"

/** The job of a worker process, passed as JSON in its environment. */
export interface Job {
  readonly url: string
  readonly name: string
  readonly journal: string
  readonly shape: WorkloadShape
  readonly seed: number
}

const { journal, name, seed, shape, url }: Job = JSON.parse(process.env["EVENTBUS_LAB_JOB"] ?? "{}")
// The environment of a process is visible to others, and the job contains a password.
delete process.env["EVENTBUS_LAB_JOB"]

// Ends when the parent process ends.
process.stdin.on("close", () => process.exit(1)).resume()

/** Prints the used memory, if garbage can be collected on demand. */
const measure = (): void => {
  if (gc === undefined) return
  gc()
  const { heapUsed, rss } = process.memoryUsage()
  console.log(`memory ${heapUsed} ${rss}`)
}

const Work = Layer.effectDiscard(
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    const entries = new Journal(journal)
    const workload = yield* Workload.start(bus, name, shape, entries, new SeededRandom(seed))
    if (shape.publishers > 0) yield* workload.warmUp
    entries.isKept = false
    yield* workload.run
    console.log("working")
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sync(measure), Effect.sleep("1 second"))))
  })
)

const App = Work.pipe(
  Layer.provide(EventBus.layer),
  Layer.provide(
    AmqpBroker.layer({ url: Redacted.make(url), exchange: name, connectionName: name, heartbeat: "2 seconds" })
  )
)

// Stopping on a signal is no failure.
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.hasInterrupts(exit) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

Layer.launch(App).pipe(NodeRuntime.runMain({ teardown }))
