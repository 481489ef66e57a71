import { Effect } from "effect"
import { breach } from "../../support/eventually.ts"
import type { InjectedFault, Lab } from "../experiments/InjectedFault.ts"

/** A workload with one queue for each event: an event that reaches no queue is returned. */
const single = { fanout: false } as const

/** The reason with which RabbitMQ 3.10 closes connections that publish to a quorum queue while it is deleted. */
const torn = "541 INTERNAL_ERROR"

/** The reason with which RabbitMQ closes a channel when a queue is deleted between its declaration and its binding. */
const gone = "404 NOT_FOUND - no queue"

/** The most messages that can be on their way into or out of a queue when it is deleted. */
const underWay = 60

/** Deletes a queue of the subscription on `work`, and excuses the loss of its messages. */
const destroy = ({ ask, destroyed }: Lab, queue: string, work: string) =>
  Effect.gen(function* () {
    const [before, messages] = yield* ask(async (channel) => {
      const { messageCount } = await channel.deleteQueue(queue)
      return [Date.now(), messageCount] as const
    })
    yield* destroyed(work, before, messages + underWay)
  })

const twice = <R>(f: Effect.Effect<void, unknown, R>): Effect.Effect<void, unknown, R> =>
  Effect.andThen(f, Effect.andThen(Effect.sleep("1500 millis"), f))

/** Faults of exchanges, queues and bindings that another client deletes. */
export const topology: ReadonlyArray<InjectedFault> = [
  {
    // For half a second the events reach no queue, and each publish fails.
    name: "binding-removed",
    shape: single,
    allow: { failures: ["Unroutable"] },
    inject: ({ ask, exchanges: [exchange], ledger, workload }) =>
      Effect.gen(function* () {
        const [queue = ""] = workload.queues
        yield* ask((channel) => channel.unbindQueue(queue, exchange, "lab.q0"))
        yield* Effect.sleep(500)
        yield* ask((channel) => channel.bindQueue(queue, exchange, "lab.q0"))
        if (ledger.balance().failed["Unroutable"] === undefined) return yield* breach("no publish was unroutable")
      })
  },
  {
    // A publish during the deletion is returned, refused or never answered.
    name: "queue-deleted",
    shape: single,
    allow: { failures: ["Unroutable", "Nacked", "Timeout"], closes: [torn, gone], disruptions: 2 },
    inject: (lab) => twice(destroy(lab, `${lab.name}.q0`, `${lab.name}.q0`))
  },
  {
    name: "dlq-deleted",
    shape: { ...single, scripts: { doomed: 10, defect: 10 } },
    allow: { failures: ["Timeout"], closes: [torn, gone], disruptions: 2 },
    inject: (lab) => twice(destroy(lab, `dlq.${lab.name}.q0`, `${lab.name}.q0`))
  },
  {
    name: "wait-queue-deleted",
    shape: { ...single, scripts: { flaky: 20, flakier: 10, doomed: 3 } },
    allow: { failures: ["Timeout"], closes: [torn, gone], disruptions: 2 },
    inject: (lab) =>
      twice(
        Effect.gen(function* () {
          const list = yield* lab.ctl("list_queues", "name")
          const waits = list.split("\n").filter((queue) => queue.startsWith(`wait.${lab.name}.q0.`))
          for (const queue of waits) yield* destroy(lab, queue, `${lab.name}.q0`)
        })
      )
  },
  {
    name: "exchange-deleted",
    allow: { failures: ["Unroutable"], closes: ["404 NOT_FOUND - no exchange"], disruptions: 2 },
    inject: ({ ask, exchanges: [exchange] }) => Effect.asVoid(ask((channel) => channel.deleteExchange(exchange)))
  },
  {
    name: "dlx-deleted",
    shape: { ...single, scripts: { flaky: 20, flakier: 10, doomed: 5, defect: 5 } },
    allow: { closes: ["404 NOT_FOUND - no exchange"], disruptions: 2 },
    inject: ({ ask, exchanges: [, exchange] }) => Effect.asVoid(ask((channel) => channel.deleteExchange(exchange)))
  }
]
