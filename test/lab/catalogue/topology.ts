import { Effect } from "effect"
import { breach } from "../../support/eventually.ts"
import type { InjectedFault, Lab } from "../experiments/InjectedFault.ts"

/** With one queue for each event, an event that finds no queue is returned: nobody else has it. */
const single = { fanout: false } as const

/** What RabbitMQ 3.10 says, to whole connections, when a quorum queue goes while it is published to. */
const torn = "541 INTERNAL_ERROR"

/** What is declared anew just when it is deleted once more is gone before it is bound. */
const gone = "404 NOT_FOUND - no queue"

/** What can be on its way into a queue, or out of it, when it is deleted. */
const underWay = 60

/** Deletes a queue amid the work of another; what is in it by then is destroyed by whoever deletes it. */
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

/** What somebody else does to exchanges, queues and bindings. */
export const topology: ReadonlyArray<InjectedFault> = [
  {
    // For half a second no queue wants these events: each publish says so.
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
    // What is on its way into the queue when it goes is returned, refused, or never answered for.
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
