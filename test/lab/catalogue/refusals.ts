import { Effect } from "effect"
import { breach, eventually } from "../../support/eventually.ts"
import type { Breach } from "../../support/eventually.ts"
import type { SingleNode } from "../broker/LabBroker.ts"
import type { InjectedFault, Lab } from "../experiments/InjectedFault.ts"

/** So many publishers that others are always in flight beside the refused publish. */
const shape = { publishers: 20, pause: 8, fanout: false, concurrency: 20, handling: 3 } as const

/** Routing keys of which none has been refused before. */
const secrets = (count: number) => Array.from({ length: count }, (_, i) => `secret.${i}`)

/** The texts of a refusal. Since RabbitMQ 4.3 it says which right is missing. */
const refusalsOf = (what: "topic" | "exchange"): ReadonlyArray<string> => [
  `403 ACCESS_REFUSED - access to ${what}`,
  `403 ACCESS_REFUSED - write access to ${what}`
]

/** Makes a fault in which publishes under some routing keys are refused, and no other publish fails or is repeated. */
const refused = (
  name: string,
  attempts: (publish: (routingKey: string) => Effect.Effect<string>) => Effect.Effect<ReadonlyArray<string>>
): InjectedFault<SingleNode> => ({
  name,
  ownUser: true,
  shape,
  allow: { failures: ["NotPermitted"], closes: refusalsOf("topic"), disruptions: 0 },
  inject: ({ ctl, ledger, name, workload }) =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(ctl("set_topic_permissions", name, name, "^lab\\.", ".*"), () =>
        ctl("clear_topic_permissions", name)
      )
      const outcomes = yield* attempts((routingKey) => workload.publish({ routingKey }))
      const wrong = outcomes.filter((outcome) => outcome !== "NotPermitted")
      if (wrong.length > 0) return yield* breach(`the outcomes of the refused publishes include ${wrong.join(", ")}`)
      yield* Effect.sleep("1 second")
      const failed = ledger.balance().failed["NotPermitted"] ?? 0
      if (failed !== outcomes.length) return yield* breach(`${failed - outcomes.length} other publishes failed`)
    })
})

/** Waits until a settlement is refused because the user may not write to the dead letter exchange. */
const settlementRefused = ({ bus }: Lab): Effect.Effect<void, Breach> =>
  eventually(
    "a settlement is refused",
    Effect.map(bus.health, ({ details }) => String(details["settling"]).includes("not permitted"))
  )

/** Faults in which the broker refuses some publishes and takes the others. */
export const refusals: ReadonlyArray<InjectedFault<SingleNode>> = [
  refused("refused-once", (publish) => Effect.map(publish("secret.a"), (outcome) => [outcome])),
  refused("refused-two-at-once", (publish) =>
    Effect.forEach(["secret.a", "secret.b"], publish, { concurrency: "unbounded" })
  ),
  refused("refused-every-300-ms", (publish) =>
    Effect.forEach(secrets(15), (routingKey) => Effect.delay(publish(routingKey), "300 millis"))
  ),
  {
    // An open channel keeps its permissions, so the connection is cut before the refusals are counted.
    name: "dead-letters-refused",
    ownUser: true,
    shape: { ...shape, scripts: { doomed: 1 } },
    allow: { closes: refusalsOf("exchange"), disruptions: 1 },
    inject: (lab) =>
      Effect.gen(function* () {
        const { ctl, ledger, name, note, tcp, workload } = lab
        yield* Effect.acquireRelease(ctl("set_permissions", name, ".*", "^(?!.*_dlx$).*", ".*"), () =>
          ctl("set_permissions", name, ".*", ".*", ".*")
        )
        tcp.cut()
        const cut = Date.now()
        yield* eventually(
          "every queue handles new events",
          Effect.sync(() => ledger.isFresh(workload.queues, cut))
        )
        yield* settlementRefused(lab)
        const before = ledger.balance()
        yield* Effect.sleep("4 seconds")
        yield* settlementRefused(lab)
        const after = ledger.balance()
        yield* note(`${after.confirmed - before.confirmed} confirmed meanwhile`)
        const failures = JSON.stringify(after.failed)
        if (failures !== "{}") return yield* breach(`publishes failed while dead letters were refused: ${failures}`)
        const copies = after.duplicates - before.duplicates
        if (copies > 0) return yield* breach(`${copies} events were handled twice while dead letters were refused`)
        if (after.confirmed === before.confirmed) return yield* breach("nothing was confirmed meanwhile")
      })
  }
]
