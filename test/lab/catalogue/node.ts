import { Effect } from "effect"
import type { SingleNode } from "../broker/LabBroker.ts"
import type { Fault } from "../experiments/InjectedFault.ts"
import { heavy } from "../workload/Workload.ts"

const outage = ["Timeout", "Disconnected"]

const kill =
  (down: number): Fault<SingleNode>["happen"] =>
  ({ site }) =>
    Effect.gen(function* () {
      yield* Effect.promise(() => site.node.kill())
      yield* Effect.sleep(down)
      yield* Effect.promise(() => site.node.restart())
    })

/** What can happen to a node. */
export const node: ReadonlyArray<Fault<SingleNode>> = [
  { name: "kill-9", allow: { failures: outage }, happen: kill(300) },
  { name: "kill-9-heavy", shape: heavy, confirmed: 20_000, allow: { failures: outage }, happen: kill(300) },
  {
    // Longer than a connection is waited for, by default, and longer than a publish is.
    name: "long-outage",
    allow: { failures: outage },
    happen: kill(12_500)
  },
  {
    name: "sigterm",
    allow: { failures: outage },
    happen: ({ site }) =>
      Effect.andThen(
        Effect.promise(() => site.node.terminate()),
        Effect.promise(() => site.node.restart())
      )
  },
  {
    name: "stop-app",
    allow: { failures: outage },
    happen: ({ ctl }) => Effect.andThen(ctl("stop_app"), ctl("start_app"))
  },
  {
    name: "close-all-connections",
    allow: { disruptions: 3 },
    happen: ({ ctl }) =>
      Effect.forEach([1, 2, 3], () => Effect.andThen(ctl("close_all_connections", "a fault"), Effect.sleep(300)), {
        discard: true
      })
  }
]
