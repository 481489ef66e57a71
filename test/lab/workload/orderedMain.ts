/** A process that handles the events of an ordered queue, and writes down each, until it is killed. */
import { appendFileSync } from "node:fs"
import { AmqpBroker } from "@effect-eventbus/amqp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { Doomed, Flaky } from "./HandlerScript.ts"
import { OrderedWork } from "./OrderedWork.ts"

/** The job of the process, passed as JSON in its environment. */
export interface OrderedJob {
  readonly url: string
  readonly name: string
  /** The file to which it appends a line for each event that it has handled: key, number, process and time. */
  readonly journal: string
  readonly isOrdered: boolean
  /** The number of attempts in a thousand that park their key. */
  readonly doomed: number
  readonly seed: number
}

const job: OrderedJob = JSON.parse(process.env["EVENTBUS_LAB_JOB"] ?? "{}")
// The environment of a process is visible to others, and the job contains a password.
delete process.env["EVENTBUS_LAB_JOB"]

// Ends when the parent process ends.
process.stdin.on("close", () => process.exit(1)).resume()

const random = new SeededRandom(job.seed)
const name = `${job.name}.ordered`
const options = { events: [OrderedWork], patterns: ["lab.ordered"], concurrency: 16, prefetch: 64 } as const
const subscription = job.isOrdered
  ? Subscription.make(name, { ...options, orderedBy: ({ payload }) => payload.key })
  : Subscription.make(name, options)

const handler = Handler.make(
  subscription,
  Effect.fnUntraced(function* ({ payload }) {
    yield* Effect.sleep(random.int(0, 3))
    // Those by which a hand-over is measured never fail.
    const drawn = payload.key === "beat" ? 999 : random.int(0, 999_999) / 1000
    if (drawn < job.doomed) return yield* new Doomed({})
    if (drawn < 40) return yield* new Flaky({})
    // Synchronously, so that a kill comes before or after it.
    appendFileSync(job.journal, `${payload.key} ${payload.n} ${process.pid} ${Date.now()}\n`)
  })
).pipe(
  Handler.onFailure(
    FailurePolicy.tags({
      Doomed: FailurePolicy.deadLetter,
      Flaky: FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 5 })))
    })
  )
)

const Work = Layer.effectDiscard(
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    yield* bus.subscribe(handler)
    console.log("working")
  })
)

const App = Work.pipe(
  Layer.provide(EventBus.layer),
  Layer.provide(AmqpBroker.layer({ url: Redacted.make(job.url), exchange: job.name, heartbeat: "2 seconds" }))
)

Layer.launch(App).pipe(NodeRuntime.runMain)
