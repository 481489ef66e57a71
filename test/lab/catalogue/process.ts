import { Effect } from "effect"
import { eventually } from "../../support/eventually.ts"
import type { ProcessContext, ProcessFault } from "../experiments/ProcessExperiment.ts"
import { heavy } from "../workload/Workload.ts"

/** Handlers that are in the middle of something, whenever one looks. */
const slow = { handling: 400, publishers: 4, pause: 40 }

const terminate: ProcessFault["inject"] = ({ child, note }) =>
  Effect.gen(function* () {
    const since = Date.now()
    child.signal("SIGTERM")
    yield* eventually(
      "the process stops",
      Effect.sync(() => child.end !== undefined),
      { atMost: "20 seconds" }
    )
    yield* note(`stopped in ${Date.now() - since} ms`)
  })

const kill: ProcessFault["inject"] = ({ child }) => Effect.promise(() => child.kill())

/** Killed when the broker has confirmed what it published under a routing key that begins so, before it can ack. */
const killAfter =
  (prefix: string): ProcessFault["inject"] =>
  ({ child, frames }: ProcessContext) =>
    Effect.gen(function* () {
      let isConfirmed = false
      frames.onConfirm(prefix, () => {
        isConfirmed = true
        frames.tcp.blackHole(["up"])
      })
      yield* eventually(
        `the broker confirms what goes to ${prefix}`,
        Effect.sync(() => isConfirmed),
        { atMost: "10 seconds" }
      )
      // The process hears of it, and acknowledges what cannot come through.
      yield* Effect.sleep(100)
      yield* Effect.promise(() => child.kill())
      frames.tcp.cut()
    })

/** What can inject to a process that uses the bus, of which another one takes over the work. */
export const process: ReadonlyArray<ProcessFault> = [
  { name: "process-sigterm", shape: slow, end: "0", allow: { disruptions: 0 }, inject: terminate },
  { name: "process-sigterm-heavy", shape: heavy, end: "0", allow: { disruptions: 0 }, inject: terminate },
  { name: "process-sigkill", shape: slow, end: "SIGKILL", inject: kill },
  { name: "process-sigkill-heavy", shape: heavy, end: "SIGKILL", inject: kill },
  { name: "process-sigkill-mid-retry", end: "SIGKILL", inject: killAfter("wait.") },
  { name: "process-sigkill-mid-dead-letter", end: "SIGKILL", inject: killAfter("dlq.") },
  {
    // Longer than the broker waits for its heartbeats.
    name: "process-stopped",
    end: "0",
    inject: (handover) =>
      Effect.gen(function* () {
        const { child, ledger } = handover
        child.signal("SIGSTOP")
        yield* Effect.sleep("8 seconds")
        child.signal("SIGCONT")
        const { confirmed } = ledger()
        yield* eventually(
          "it publishes again",
          Effect.sync(() => ledger().confirmed > confirmed + 100),
          { atMost: "20 seconds" }
        )
        yield* terminate(handover)
      })
  }
]
