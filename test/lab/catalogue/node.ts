import { Effect } from "effect"
import type { SingleNode } from "../broker/LabBroker.ts"
import type { InjectedFault } from "../experiments/InjectedFault.ts"
import { heavy } from "../workload/WorkloadShape.ts"

const outage = ["Timeout", "Disconnected"]

const kill =
  (down: number): InjectedFault<SingleNode>["inject"] =>
  ({ broker }) =>
    Effect.gen(function* () {
      yield* Effect.promise(() => broker.node.kill())
      yield* Effect.sleep(down)
      yield* Effect.promise(() => broker.node.restart())
    })

/** Faults of a single node. */
export const node: ReadonlyArray<InjectedFault<SingleNode>> = [
  { name: "kill-9", allow: { failures: outage }, inject: kill(300) },
  { name: "kill-9-heavy", shape: heavy, confirmed: 20_000, allow: { failures: outage }, inject: kill(300) },
  {
    // Longer than the default timeouts of a connection and of a publish.
    name: "long-outage",
    allow: { failures: outage },
    inject: kill(12_500)
  },
  {
    // Half of the events wait for their delay, at several levels, whenever the node is killed.
    name: "kill-9-thrice-delayed",
    shape: { delayed: 50, delay: 6000 },
    confirmed: 6000,
    allow: { failures: outage, disruptions: 3 },
    inject: (lab) =>
      Effect.forEach([1, 2, 3], () => Effect.andThen(Effect.sleep(2000), kill(300)(lab)), { discard: true })
  },
  {
    name: "sigterm",
    allow: { failures: outage },
    inject: ({ broker }) =>
      Effect.andThen(
        Effect.promise(() => broker.node.terminate()),
        Effect.promise(() => broker.node.restart())
      )
  },
  {
    name: "stop-app",
    allow: { failures: outage },
    inject: ({ ctl }) => Effect.andThen(ctl("stop_app"), ctl("start_app"))
  },
  {
    name: "close-all-connections",
    allow: { disruptions: 3 },
    inject: ({ ctl }) =>
      Effect.forEach([1, 2, 3], () => Effect.andThen(ctl("close_all_connections", "a fault"), Effect.sleep(300)), {
        discard: true
      })
  }
]
