import { AmqpBroker } from "@effect-eventbus/amqp"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import { Context, Effect, Layer, Redacted } from "effect"
import type { Scope } from "effect"
import { EventBus, Handler, Subscription } from "effect-eventbus"
import { breach, within } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { addUser, password, url } from "../broker/LabBroker.ts"
import type { SingleNode } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { Experiment } from "../experiments/Experiment.ts"
import * as ResultRow from "../experiments/ResultRow.ts"

type Bus = EventBus.EventBus["Service"]
type Try = (
  broker: SingleNode,
  name: string,
  bus: (options?: AmqpOptions.Options) => Effect.Effect<Bus, unknown, Scope.Scope>
) => Effect.Effect<unknown, unknown, Scope.Scope>

/** What a start must not get over: it fails at once, and says why. */
const refuses = (fault: string, tag: string, attempt: Try): Experiment => ({
  name: fault,
  run: async ({ seed, single }) => {
    const started = Date.now()
    const broker = await single.get()
    const [port = 0] = broker.ports
    const name = unique("lab")
    const bus = (options: AmqpOptions.Options = {}) =>
      Effect.map(
        Layer.build(
          Layer.provide(EventBus.layer, AmqpBroker.layer({ url: Redacted.make(url(port)), exchange: name, ...options }))
        ),
        Context.get(EventBus.EventBus)
      )
    const program = Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(attempt(broker, name, bus))).pipe(
        within(`it fails as ${tag}`, "15 seconds"),
        Effect.catchCause((cause) => breach(`it does not fail: ${LabClient.messageOf(cause)}`))
      )
      const text = `${JSON.stringify(error)} ${error instanceof Error ? error.message : ""}`
      if (!text.includes(`"_tag":"${tag}"`)) return yield* breach(`it fails otherwise: ${text.slice(0, 300)}`)
      if (text.includes(password)) return yield* breach("its error holds the password")
    })
    const breaches = await Effect.runPromise(
      Effect.match(program, { onFailure: ({ message }) => [message], onSuccess: () => [] })
    )
    await Effect.runPromise(
      LabClient.ask(port, async (channel) => {
        for (const queue of [`${name}.q`, `dlq.${name}.q`]) await channel.deleteQueue(queue)
        for (const exchange of [name, `${name}_dlx`]) await channel.deleteExchange(exchange)
      })
    )
    return { ...ResultRow.empty, fault, seed, took_ms: Date.now() - started, notes: [tag], breaches }
  }
})

const subscribe = (bus: Bus, name: string) =>
  bus.subscribe(Handler.make(Subscription.make(`${name}.q`, { patterns: ["#"] }), () => Effect.void))

/** What is wrong from the start. */
export const start: ReadonlyArray<Experiment> = [
  refuses("bad-login", "AuthenticationFailed", ({ ports: [port = 0] }, _, bus) =>
    bus({ url: Redacted.make(`amqp://nobody:${password}@127.0.0.1:${port}`) })
  ),
  refuses("bad-vhost", "VhostNotFound", ({ ports: [port = 0] }, _, bus) =>
    bus({ url: Redacted.make(`${url(port)}/nowhere`) })
  ),
  refuses("no-permission", "PermissionDenied", (broker, name, bus) =>
    Effect.gen(function* () {
      const [port = 0] = broker.ports
      yield* Effect.acquireRelease(
        Effect.promise(() => addUser(broker, name)),
        () => Effect.promise(() => broker.ctl("delete_user", name))
      )
      yield* Effect.promise(() => broker.ctl("set_permissions", name, "^own\\.", "^own\\.", "^own\\."))
      yield* bus({ url: Redacted.make(url(port, name)) })
    })
  ),
  refuses("argument-drift", "TopologyMismatch", ({ ports: [port = 0] }, name, bus) =>
    Effect.gen(function* () {
      yield* LabClient.ask(port, (channel) =>
        channel.assertQueue(`${name}.q`, { arguments: { "x-queue-type": "classic", "x-max-length": 1 } })
      )
      yield* subscribe(yield* bus(), name)
    })
  )
]
