import { Effect } from "effect"
import type { LabBroker } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { Pair } from "./EventLedger.ts"
import type { Journal } from "./Journal.ts"

/** How long an event that is nowhere is looked for. */
const patience = 10_000

/** The queues of a scenario, and how many messages are in each. */
export const queuesOf = (
  broker: LabBroker,
  name: string
): Effect.Effect<ReadonlyArray<readonly [queue: string, messages: number]>> =>
  Effect.map(
    Effect.promise(() => broker.ctl("list_queues", "name", "messages", "--no-table-headers")),
    (list) =>
      list
        .split("\n")
        .map((line) => line.split("\t"))
        .filter(([queue = ""]) => queue.includes(name))
        .map(([queue = "", messages]) => [queue, Number(messages)])
  )

/** Enters what is left in the queues of a scenario, and removes them and its exchanges. */
export const takeAll = (
  broker: LabBroker,
  name: string,
  journal: Journal,
  isExcused: (missing: Pair) => boolean
): Effect.Effect<void> =>
  Effect.scoped(
    Effect.gen(function* () {
      const channel = yield* LabClient.open(broker.ports[0] ?? 0)
      const end = Date.now() + patience
      for (;;) {
        const queues = (yield* queuesOf(broker, name)).map(([queue]) => queue)
        yield* Effect.promise(() => LabClient.drain(channel, queues, journal))
        const missing = journal
          .read()
          .missing()
          .filter((pair) => !isExcused(pair))
        if (missing.length > 0 && Date.now() < end) continue
        for (const queue of queues) yield* Effect.promise(() => channel.deleteQueue(queue))
        for (const exchange of [name, `${name}_dlx`]) yield* Effect.promise(() => channel.deleteExchange(exchange))
        return
      }
    })
  )
