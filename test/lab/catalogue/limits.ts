import { AmqpBroker } from "@effect-eventbus/amqp"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import { EventBus } from "effect-eventbus"
import { breach, eventually } from "../../support/eventually.ts"
import { maxMessageSize } from "../../support/maxMessageSize.ts"
import { url } from "../broker/LabBroker.ts"
import type { SingleNode } from "../broker/LabBroker.ts"
import type { InjectedFault, Lab } from "../experiments/InjectedFault.ts"

const blocked = (lab: Lab, alarm: RegExp) =>
  Effect.gen(function* () {
    yield* lab.becomes("degraded")
    const { details } = yield* lab.bus.health
    if (!alarm.test(`${details["publishing"]}`))
      return yield* breach(`health does not name the alarm: ${JSON.stringify(details)}`)
    // The messages in the queues are still handled.
    const { ledger } = lab
    const pending = () => ledger.pending("handled").length
    const first = pending()
    yield* Effect.sleep("3 seconds")
    yield* eventually(
      "consumers go on during the alarm",
      Effect.sync(() => pending() < Math.max(1, first)),
      {
        atMost: "10 seconds",
        state: () => `${pending()} of ${first} pending`
      }
    )
    const confirmed = ledger.confirmed
    yield* Effect.sleep(500)
    if (ledger.confirmed > confirmed) return yield* breach(`${ledger.confirmed - confirmed} confirmed during the alarm`)
  })

/** Opens a bus that publishes nothing. */
const idleBus = ({ name, tcp }: Lab) =>
  Effect.map(
    Layer.build(
      Layer.provide(
        EventBus.layer,
        AmqpBroker.layer({ url: Redacted.make(url(tcp.port)), exchange: name, connectionName: name })
      )
    ),
    Context.get(EventBus.EventBus)
  )

/** Declares a queue that takes nothing and confirms nothing, until the scope closes. Returns its routing key. */
const silentQueue = ({ ask, ctl, exchanges: [exchange], name }: Lab) =>
  Effect.gen(function* () {
    const queue = `${name}.silent`
    const whole = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>))`
    const eval_ = (call: string) => ctl("eval", `${whole}, sys:${call}(amqqueue:get_pid(Q)).`)
    yield* Effect.acquireRelease(
      ask((channel) => channel.assertQueue(queue, { arguments: { "x-queue-type": "classic" } })),
      () => ask((channel) => channel.deleteQueue(queue))
    )
    yield* ask((channel) => channel.bindQueue(queue, exchange, "silent"))
    yield* Effect.acquireRelease(eval_("suspend"), () => eval_("resume"))
    return "silent"
  })

const inFlightBytes = 200_000

/** A workload whose queues grow. Few events are retried, because waiting retries would soon occupy all handlers. */
const backlog = {
  publishers: 20,
  pause: 40,
  fanout: false,
  concurrency: 4,
  handling: 40,
  scripts: { flaky: 4, doomed: 1 }
} as const

/** Faults of missing resources and permissions, and of handlers. */
export const limits: ReadonlyArray<InjectedFault<SingleNode>> = [
  {
    name: "memory-alarm",
    shape: backlog,
    options: { publishTimeout: "1 second" },
    allow: { failures: ["Blocked", "Timeout"] },
    inject: (lab) =>
      Effect.andThen(
        Effect.acquireRelease(lab.ctl("set_vm_memory_high_watermark", "absolute", "1MB"), () =>
          lab.ctl("set_vm_memory_high_watermark", "absolute", "4GB")
        ),
        blocked(lab, /memory/)
      )
  },
  {
    // Events whose retry was blocked by the memory alarm remain on the broker when the connection is lost as well.
    name: "alarm-and-rst",
    shape: { ...backlog, concurrency: 10, handling: 100, scripts: { flaky: 30, doomed: 5 } },
    options: { publishTimeout: "1 second" },
    allow: { failures: ["Blocked", "Timeout", "Disconnected"], disruptions: 2 },
    inject: ({ becomes, ctl, tcp }) =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(ctl("set_vm_memory_high_watermark", "absolute", "1MB"), () =>
          ctl("set_vm_memory_high_watermark", "absolute", "4GB")
        )
        yield* becomes("degraded")
        // Longer than the publish timeout, so that blocked retries wait for their next attempt.
        yield* Effect.sleep("4 seconds")
        tcp.cut()
        yield* Effect.sleep("1 second")
      })
  },
  {
    // RabbitMQ tells of an alarm only those who publish.
    name: "alarm-unpublished",
    shape: backlog,
    options: { publishTimeout: "1 second" },
    allow: { failures: ["Blocked", "Timeout"] },
    inject: (lab) =>
      Effect.gen(function* () {
        const { health } = yield* idleBus(lab)
        yield* Effect.acquireRelease(lab.ctl("set_vm_memory_high_watermark", "absolute", "1MB"), () =>
          lab.ctl("set_vm_memory_high_watermark", "absolute", "4GB")
        )
        const isTold = Effect.map(health, ({ details }) => /^blocked: .*memory/.test(String(details["publishing"])))
        yield* eventually("a bus that publishes nothing tells of the alarm", isTold)
      })
  },
  {
    // What is in flight to one queue fills the window, and is never confirmed.
    name: "queue-silent",
    shape: { fanout: false },
    options: { publishTimeout: "1 second", maxInFlight: 30, maxInFlightBytes: inFlightBytes },
    allow: { failures: ["Timeout", "Blocked", "Disconnected"], disruptions: 2 },
    inject: (lab) =>
      Effect.gen(function* () {
        const { bus, ledger, note, workload } = lab
        const routingKey = yield* silentQueue(lab)
        const burst = (padding: number) =>
          Effect.forEach(Array.from({ length: 60 }), () => workload.publish({ routingKey, padding }), {
            concurrency: "unbounded"
          })
        const padding = 20_000
        const publishing = yield* Effect.forkChild(burst(padding))
        let most = 0
        while (publishing.pollUnsafe() === undefined) {
          most = Math.max(most, Number((yield* bus.health).details["unconfirmed"]))
          yield* Effect.sleep("50 millis")
        }
        const outcomes = new Set([...(yield* Fiber.join(publishing)), ...(yield* burst(0))])
        yield* note(`${most} unconfirmed, ${[...outcomes].join(" and ")}`)
        if (outcomes.has("confirmed")) return yield* breach("the silent queue confirmed an event")
        const room = inFlightBytes / padding + workload.shape.publishers
        if (most > room) return yield* breach(`${most} publishes were in flight, but there is room for ${room}`)
        const { confirmed } = ledger
        yield* eventually(
          "events for other queues are confirmed",
          Effect.sync(() => ledger.confirmed > confirmed + 100)
        )
      })
  },
  {
    name: "disk-alarm",
    shape: backlog,
    options: { publishTimeout: "1 second" },
    allow: { failures: ["Blocked", "Timeout"] },
    inject: (lab) =>
      Effect.andThen(
        Effect.acquireRelease(lab.ctl("set_disk_free_limit", "9000GB"), () => lab.ctl("set_disk_free_limit", "50MB")),
        blocked(lab, /disk/)
      )
  },
  {
    // An open channel keeps its permissions. Only the next one is refused.
    name: "permission-revoked",
    ownUser: true,
    shape: { publishers: 4, pause: 20 },
    options: { publishTimeout: "1 second" },
    allow: {
      failures: ["NotPermitted", "Disconnected", "Timeout"],
      closes: ["403 ACCESS_REFUSED", "530 NOT_ALLOWED"],
      disruptions: 20
    },
    inject: ({ becomes, ctl, ledger, name, tcp }) =>
      Effect.gen(function* () {
        const permit = ctl("set_permissions", name, ".*", ".*", ".*")
        yield* Effect.acquireRelease(ctl("clear_permissions", name), () => permit)
        yield* Effect.acquireRelease(
          Effect.sync(() => tcp.cut()),
          () => Effect.void
        )
        const failed = () => ledger.balance().failed
        const refused = () => (failed()["NotPermitted"] ?? 0) + (failed()["Disconnected"] ?? 0)
        yield* eventually(
          "publishes fail",
          Effect.sync(() => refused() > 0),
          { atMost: "20 seconds" }
        )
        yield* becomes("unhealthy")
      })
  },
  {
    // RabbitMQ 3.10 keeps refusing if the limit is removed before the queue is below four fifths of it.
    name: "overflow",
    shape: { fanout: false, concurrency: 5, handling: 10, pause: 40 },
    allow: { failures: ["Nacked"] },
    inject: ({ ctl, ledger, name, note, workload }) =>
      Effect.gen(function* () {
        const limit = ctl("set_policy", "--apply-to", "queues", name, `^${name}\\.`, '{"max-length":50}')
        yield* Effect.acquireRelease(limit, () => ctl("clear_policy", name))
        const burst = Array.from({ length: 3000 }, () => workload.publish({ script: "fine" }))
        yield* Effect.all(burst, { concurrency: 500, discard: true })
        yield* note(`${ledger.balance().failed["Nacked"] ?? 0} of the burst nacked`)
        const pending = () => ledger.pending("handled").length
        yield* eventually(
          "the queues are empty again",
          Effect.sync(() => pending() < 10),
          {
            atMost: "20 seconds",
            state: () => `${pending()} pending`
          }
        )
      })
  },
  {
    name: "oversize",
    shape: { pause: 10 },
    allow: { failures: ["TooLarge"], closes: ["406 PRECONDITION_FAILED - message size"], disruptions: 8 },
    inject: ({ ctl, tcp, workload }) =>
      Effect.gen(function* () {
        yield* maxMessageSize(ctl, 5000)
        // Channels learn the limit when they are opened.
        tcp.cut()
        yield* Effect.sleep("1 second")
        for (let i = 0; i < 5; i++) {
          const outcome = yield* workload.publish({ padding: 6000, script: "fine" })
          if (outcome !== "TooLarge")
            return yield* breach(`the outcome of an event over the broker's limit is ${outcome}`)
        }
      })
  },
  {
    name: "handler-hang",
    shape: { handlerTimeout: 500, scripts: { hangs: 5, flaky: 5 } },
    allow: { disruptions: 0 },
    inject: () => Effect.sleep("3 seconds")
  },
  {
    name: "handler-defect",
    shape: { scripts: { defect: 20, doomed: 10 } },
    allow: { disruptions: 0 },
    inject: () => Effect.sleep("2 seconds")
  },
  {
    name: "handler-interrupted",
    shape: { scripts: { interrupted: 10 } },
    allow: { disruptions: 0 },
    inject: () => Effect.sleep("2 seconds")
  }
]
