import { Effect } from "effect"
import { eventually } from "../../support/eventually.ts"
import type { InjectedFault } from "../experiments/InjectedFault.ts"
import { heavy } from "../workload/WorkloadShape.ts"

const cutAgain =
  (times: number, pause: number): InjectedFault["inject"] =>
  ({ random, tcp }) =>
    Effect.forEach(
      Array.from({ length: times }),
      () =>
        Effect.andThen(
          Effect.sync(() => tcp.cut()),
          Effect.sleep(random.int(pause, 2 * pause))
        ),
      { discard: true }
    )

/** Faults of the network between the bus and the broker. */
export const network: ReadonlyArray<InjectedFault> = [
  { name: "none", allow: { disruptions: 0 }, inject: () => Effect.void },
  { name: "rst", inject: ({ tcp }) => Effect.sync(() => tcp.cut()) },
  {
    // The broker has received everything in flight but confirmed none of it.
    name: "rst-unconfirmed",
    inject: ({ tcp }) =>
      Effect.gen(function* () {
        tcp.blackHole(["down"])
        yield* Effect.sleep(200)
        tcp.cut()
        yield* Effect.promise(() => tcp.heal())
      })
  },
  {
    // Handlers still hold deliveries of the previous connection when the next one is cut.
    name: "rst-again",
    shape: { publishers: 16, pause: 60, handling: 600, concurrency: 60, fanout: false },
    allow: { disruptions: 6 },
    inject: cutAgain(6, 500)
  },
  {
    name: "rst-heavy",
    shape: heavy,
    confirmed: 20_000,
    allow: { disruptions: 8 },
    inject: cutAgain(8, 700)
  },
  { name: "fin", inject: ({ tcp }) => Effect.sync(() => tcp.fin()) },
  {
    // The silence lasts until the heartbeats of both sides have failed.
    name: "half-open",
    options: { heartbeat: "1 second", publishTimeout: "3 seconds" },
    allow: { failures: ["Timeout", "Disconnected"] },
    inject: ({ becomes, tcp }) =>
      Effect.gen(function* () {
        tcp.blackHole()
        yield* becomes("unhealthy")
        yield* Effect.sleep("5 seconds")
        yield* Effect.promise(() => tcp.heal())
      })
  },
  ...(["up", "down"] as const).map((direction): InjectedFault => ({
    name: `one-way-hole-${direction}`,
    options: { heartbeat: "1 second", publishTimeout: "3 seconds" },
    allow: { failures: ["Timeout", "Disconnected"], disruptions: 2 },
    inject: ({ tcp }) =>
      Effect.gen(function* () {
        tcp.blackHole([direction])
        yield* Effect.sleep("6 seconds")
        yield* Effect.promise(() => tcp.heal())
      })
  })),
  {
    // Nothing is lost on the network, so nothing may be handled twice.
    name: "network-pause",
    options: { heartbeat: "10 seconds" },
    allow: { disruptions: 0 },
    inject: ({ tcp }) =>
      Effect.gen(function* () {
        tcp.blackHole()
        yield* Effect.sleep("2 seconds")
        yield* Effect.promise(() => tcp.heal())
      })
  },
  {
    name: "slow-link",
    shape: { publishers: 30, padding: 300 },
    options: { heartbeat: "1 second" },
    // A slow connection must not be regarded as dead.
    allow: { disruptions: 0, failures: ["Timeout", "Blocked"] },
    inject: ({ ledger, note, tcp }) =>
      Effect.gen(function* () {
        const accepted = tcp.accepted
        const confirmed = ledger.confirmed
        tcp.slow(50_000)
        yield* Effect.sleep("6 seconds")
        const passed = ledger.confirmed - confirmed
        yield* Effect.promise(() => tcp.heal())
        yield* note(`${passed} confirmed while slow`)
        yield* eventually(
          "no connection was replaced",
          Effect.sync(() => tcp.accepted === accepted && passed > 0),
          {
            atMost: 100,
            state: () => `${tcp.accepted - accepted} new connections`
          }
        )
      })
  },
  {
    name: "handshake-stall",
    options: { connectionTimeout: "1 second", publishTimeout: "2 seconds" },
    allow: { failures: ["Timeout", "Disconnected"] },
    inject: ({ becomes, tcp }) =>
      Effect.gen(function* () {
        tcp.acceptOnly()
        tcp.cut()
        yield* becomes("unhealthy")
        yield* Effect.sleep("4 seconds")
        yield* Effect.promise(() => tcp.heal())
      })
  },
  {
    name: "refused",
    options: { publishTimeout: "2 seconds" },
    allow: { failures: ["Timeout", "Disconnected"] },
    inject: ({ becomes, tcp }) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => tcp.refuse())
        tcp.cut()
        yield* becomes("unhealthy")
        yield* Effect.sleep("3 seconds")
        yield* Effect.promise(() => tcp.heal())
      })
  }
]
