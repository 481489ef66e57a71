import { AmqpBroker } from "@effect-eventbus/amqp"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import { Context, Effect, Layer, Redacted } from "effect"
import type { Scope } from "effect"
import { EventBus } from "effect-eventbus"
import { breach, messageOf, within } from "../../support/eventually.ts"
import { unique } from "../../support/Leftovers.ts"
import { password, url } from "../broker/LabBroker.ts"
import type { SingleNode } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { Experiment } from "./Experiment.ts"
import * as ResultRow from "./ResultRow.ts"

/** Everything that a start can use. */
export interface StartContext {
  readonly broker: SingleNode
  readonly port: number
  /** The name of the exchange, which is also the prefix of every queue. */
  readonly name: string
  readonly bus: (options?: AmqpOptions.Options) => Effect.Effect<EventBus.EventBus["Service"], unknown, Scope.Scope>
}

/** Makes an experiment of a start that must fail at once, with an error of a certain tag and without the password in it. */
export const refuses = (
  fault: string,
  tag: string,
  start: (context: StartContext) => Effect.Effect<unknown, unknown, Scope.Scope>
): Experiment => ({
  name: fault,
  run: async ({ seed, single }) => {
    const started = Date.now()
    const broker = await single.get()
    const [port = 0] = broker.ports
    const name = unique("lab")
    const bus: StartContext["bus"] = (options = {}) =>
      Effect.map(
        Layer.build(
          Layer.provide(EventBus.layer, AmqpBroker.layer({ url: Redacted.make(url(port)), exchange: name, ...options }))
        ),
        Context.get(EventBus.EventBus)
      )
    const program = Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(start({ broker, port, name, bus }))).pipe(
        within(`it fails with ${tag}`, "60 seconds"),
        Effect.catchCause((cause) => breach(`it does not fail: ${messageOf(cause)}`))
      )
      const text = `${JSON.stringify(error)} ${error instanceof Error ? error.message : ""}`
      if (!text.includes(`"_tag":"${tag}"`)) return yield* breach(`it fails with another error: ${text.slice(0, 300)}`)
      if (text.includes(password)) return yield* breach("the error contains the password")
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
