import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { AmqpBroker, AmqpOptions } from "@effect-eventbus/amqp"
import { Access, Console } from "@effect-eventbus/console"
import { Contract, Management } from "@effect-eventbus/inspect"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { Broker, EventBus } from "effect-eventbus"
import { HttpRouter, HttpServer } from "effect/http"

const token = "a-token-of-the-tests-that-is-long-enough"

/** A console on a broker, and the bus that it uses. */
export interface ConsoleUnderTest {
  readonly bus: EventBus.EventBus["Service"]
  /** Returns an address that logs in once. */
  readonly login: () => Promise<string>
  /** The number of looks that it has begun. */
  readonly looks: () => number
  readonly stop: () => Promise<void>
}

/** Starts a console as an application would mount it. */
export const start = async (
  url: string,
  options: Partial<Pick<Console.Options, "readOnly" | "bodies" | "queues">> = {},
  /** The port of the management API, if the node has it. */
  managementPort?: number
): Promise<ConsoleUnderTest> => {
  const scope = await Effect.runPromise(Scope.make())
  let looks = 0
  const broker = Layer.effect(
    Broker.Broker,
    Effect.map(AmqpBroker.make({ url: Redacted.make(url) }), (broker) => ({
      ...broker,
      browse: (queue: string) =>
        Effect.andThen(
          Effect.sync(() => looks++),
          broker.browse(queue)
        )
    }))
  )
  const access = Access.token({ name: "e2e", token: Redacted.make(token) })
  const contract = await Effect.runPromise(Contract.load(fileURLToPath(new URL("bus.ts", import.meta.url))))
  const amqp = AmqpOptions.settings({ url: Redacted.make(url) })
  const management =
    managementPort === undefined
      ? undefined
      : await Effect.runPromise(Management.make(Redacted.make(`http://127.0.0.1:${managementPort}`), amqp))
  const live = HttpRouter.serve(Console.layer({ access, contract, amqp, management, ...options }), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
    Layer.provideMerge(EventBus.layer),
    Layer.provideMerge(broker)
  )
  const context = await Effect.runPromise(Layer.buildWithScope(live, scope))
  const base = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address).replace(/\/$/, "")
  return {
    bus: Context.get(context, EventBus.EventBus),
    login: async () => `${base}/login?code=${await Effect.runPromise(access.login.code)}`,
    looks: () => looks,
    stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
