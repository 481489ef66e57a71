import { Effect } from "effect"
import { eventually } from "../../support/eventually.ts"
import type { ProcessContext, ProcessFault } from "../experiments/ProcessExperiment.ts"
import { heavy } from "../workload/WorkloadShape.ts"
import { batches } from "./flow.ts"

/** A workload with handlers busy at any time. */
const slow = { handling: 400, publishers: 4, pause: 40 }

const terminate: ProcessFault["inject"] = ({ worker, note }) =>
  Effect.gen(function* () {
    const since = Date.now()
    worker.signal("SIGTERM")
    yield* eventually(
      "the process stops",
      Effect.sync(() => worker.end !== undefined),
      { atMost: "20 seconds" }
    )
    yield* note(`stopped in ${Date.now() - since} ms`)
  })

const kill: ProcessFault["inject"] = ({ worker }) => Effect.promise(() => worker.kill())

/** Kills the process after a publish is confirmed whose routing key has a prefix, and before it can acknowledge. */
const killAfter =
  (prefix: string): ProcessFault["inject"] =>
  ({ worker, frames }: ProcessContext) =>
    Effect.gen(function* () {
      let isConfirmed = false
      frames.onConfirm(prefix, () => {
        isConfirmed = true
        frames.tcp.blackHole(["up"])
      })
      yield* eventually(
        `the broker confirms a publish to ${prefix}`,
        Effect.sync(() => isConfirmed),
        { atMost: "10 seconds" }
      )
      // The process receives the confirm. Its acknowledgement does not reach the broker.
      yield* Effect.sleep(100)
      yield* Effect.promise(() => worker.kill())
      frames.tcp.cut()
    })

/** Faults of a process that uses the bus. A second process takes over its work. */
export const process: ReadonlyArray<ProcessFault> = [
  { name: "process-sigterm", shape: slow, end: "0", allow: { disruptions: 0 }, inject: terminate },
  { name: "process-sigterm-heavy", shape: heavy, end: "0", allow: { disruptions: 0 }, inject: terminate },
  {
    name: "process-sigterm-endless",
    shape: { queues: 1, fanout: false, publishers: 2, pause: 50, scripts: { endless: 20 }, handlerTimeout: 20_000 },
    end: "0",
    allow: { disruptions: 0 },
    inject: ({ worker }) => Effect.sync(() => worker.signal("SIGTERM"))
  },
  { name: "process-sigkill", shape: slow, end: "SIGKILL", inject: kill },
  { name: "process-sigkill-heavy", shape: heavy, end: "SIGKILL", inject: kill },
  { name: "process-sigkill-batches", shape: { ...batches, handling: 400 }, end: "SIGKILL", inject: kill },
  { name: "process-sigkill-mid-retry", end: "SIGKILL", inject: killAfter("wait.") },
  { name: "process-sigkill-mid-dead-letter", end: "SIGKILL", inject: killAfter("dlq.") },
  {
    // Longer than the heartbeat timeout of the broker.
    name: "process-stopped",
    end: "0",
    inject: (handover) =>
      Effect.gen(function* () {
        const { worker, ledger } = handover
        worker.signal("SIGSTOP")
        yield* Effect.sleep("8 seconds")
        worker.signal("SIGCONT")
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
