import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { inject } from "vitest"
import * as Process from "../cli/Process.ts"
import { eventually } from "../support/eventually.ts"
import type * as Invoices from "./children/invoices.ts"
import * as Rig from "./support/Rig.ts"

const url = inject("rabbitUrl")
const service = join(import.meta.dirname, "children/invoices.ts")
const deadline = { atMost: "60 seconds" } as const

/** Returns the events that instances say they have handled or published: their ids, and amounts in cents. */
const saidOf = (verb: "handled" | "published", instances: ReadonlyArray<Process.Running>) =>
  new Map(
    instances.flatMap((instance) =>
      Array.from(instance.said().matchAll(new RegExp(`^${verb} (\\S+) (\\d+)$`, "gm")), ([, id = "", cents]) => [
        id,
        Number(cents)
      ])
    )
  )

describe.skipIf(url === null)("A rolling deployment of a new version of an event, forward and back", () => {
  it.live(
    "handles every event, and makes no dead letter",
    () =>
      Effect.gen(function* () {
        const rig = yield* Rig.make(url ?? "", "deployment")
        const queue = rig.queue("billing", [200])
        const bus = yield* rig.bus()
        const publishers = new Array<Process.Running>()
        const consumers = new Array<Process.Running>()
        const { exchange } = rig

        const start = Effect.fnUntraced(function* (role: Invoices.Parameters["role"], code: Invoices.Code) {
          const parameters: Invoices.Parameters = { url: rig.url, exchange, queue, role, code }
          const instance = Process.startModule(service, [JSON.stringify(parameters)])
          yield* Effect.addFinalizer(() => Effect.sync(instance.kill))
          ;(role === "consumer" ? consumers : publishers).push(instance)
          yield* Effect.promise(() => instance.output("ready\n"))
          return instance
        })
        const stop = Effect.fnUntraced(function* (instance: Process.Running) {
          instance.interrupt()
          const { stderr } = yield* Effect.promise(() => instance.ended)
          assert.strictEqual(stderr, "")
        })
        /** Waits until an instance has published or handled some events. */
        const works = (verb: "handled" | "published", instance: Process.Running) =>
          eventually(
            `an instance has ${verb} ten events`,
            Effect.sync(() => saidOf(verb, [instance]).size >= 10),
            { ...deadline, state: instance.said }
          )
        /** Waits until nothing is left of what these have published: neither in the queue nor in a retry. */
        const areHandled = (those: ReadonlyArray<Process.Running>) =>
          eventually(
            "all published events are handled",
            Effect.sync(() => {
              const handled = saidOf("handled", consumers)
              return [...saidOf("published", those).keys()].every((id) => handled.has(id))
            }),
            deadline
          )
        /** Replaces an instance by one of other code, while both run side by side. */
        const replace = Effect.fnUntraced(function* (
          role: Invoices.Parameters["role"],
          running: Process.Running,
          code: Invoices.Code
        ) {
          const next = yield* start(role, code)
          yield* works(role === "consumer" ? "handled" : "published", next)
          yield* stop(running)
          return next
        })

        const oldConsumer = yield* start("consumer", "old")
        const oldPublisher = yield* start("publisher", "old")
        yield* works("handled", oldConsumer)

        // Forward: the consumers first.
        const newConsumer = yield* replace("consumer", oldConsumer, "new")
        const newPublisher = yield* replace("publisher", oldPublisher, "new")

        // And back: the publishers first, and the consumers when nothing holds the new version.
        const lastPublisher = yield* replace("publisher", newPublisher, "old")
        yield* areHandled([newPublisher])
        const lastConsumer = yield* replace("consumer", newConsumer, "old")

        yield* stop(lastPublisher)
        yield* areHandled(publishers)
        yield* stop(lastConsumer)
        const [published, handled] = [saidOf("published", publishers), saidOf("handled", consumers)]
        for (const [id, cents] of published) assert.strictEqual(handled.get(id), cents, id)
        const deadLetters = yield* bus.queueInfo(`dlq.${queue}`)
        assert.deepStrictEqual(
          Option.map(deadLetters, ({ messages }) => messages),
          Option.some(0)
        )
      }),
    240_000
  )
})
