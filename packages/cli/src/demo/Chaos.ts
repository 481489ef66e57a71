/**
 * The demo on RabbitMQ with connections that are cut while it runs.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { counted } from "../Output.ts"
import { CommandFailed } from "../Problem.ts"
import * as Demo from "./Demo.ts"
import * as Proxy from "./Proxy.ts"
import * as Stage from "./Stage.ts"

/** Milliseconds before the first cut. Later ones leave more time: the bus waits longer each time before it connects again. */
const firstInterval = 2_000

/**
 * Cuts the connections of the bus until it is interrupted. Between two cuts the tasks get on, however slow the machine is.
 */
const cutter =
  ({ cut }: Proxy.Proxy): Demo.Chaos =>
  ({ ledger, screen }) =>
    Effect.gen(function* () {
      for (let interval = firstInterval; ; interval *= 1.5) {
        const before = ledger.progress
        yield* Effect.sleep(interval)
        while (ledger.progress === before) yield* Effect.sleep(100)
        const count = yield* cut
        if (count > 0)
          yield* screen.show({ who: "chaos", what: "cut", style: "magenta", detail: counted(count, "connection") })
      }
    })

/** Deletes what the observers leave behind: a temporary queue would have gone with its first connection. */
const tidy = Effect.fnUntraced(function* (traceId: string) {
  const { AmqpQueue } = yield* lazyImports.amqp
  const { BrokerConnection } = yield* lazyImports.inspect
  const settings = yield* Connection.settings()
  const live = yield* BrokerConnection.open(settings, "consume")
  for (const name of ["audit", "results"] as const) {
    yield* BrokerConnection.asBrokerError(AmqpQueue.remove(live, Stage.observerQueue(traceId, name)))
  }
}, Effect.scoped)

/**
 * Runs the demo on RabbitMQ, through a proxy that cuts its connections.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* () {
  const { AmqpBroker } = yield* lazyImports.amqp
  const { EventBus } = yield* lazyImports.eventbus
  const {
    deadLetterExchange,
    endpoints: [{ host, password, port, protocol, username, vhost }],
    exchange
  } = yield* Connection.settings()
  if (protocol === "amqps") {
    return yield* new CommandFailed({ message: "--chaos cuts connections in a proxy, which cannot be used with TLS" })
  }
  // Without a broker there is nothing to cut, and the bus would say so of the proxy.
  yield* Effect.scoped(Layer.build(Connection.layerAmqp))
  const proxy = yield* Proxy.make({ host, port })
  const broker = AmqpBroker.layer({
    host: "127.0.0.1",
    port: proxy.port,
    username,
    password,
    vhost,
    exchange,
    deadLetterExchange,
    publishTimeout: "1 minute"
  })
  const traceId = crypto.randomUUID()
  yield* Demo.run("on RabbitMQ, whose connections are cut", traceId, cutter(proxy)).pipe(
    Effect.provide(EventBus.layer.pipe(Layer.provide(broker))),
    Effect.ensuring(Effect.ignore(tidy(traceId)))
  )
}, Effect.scoped)
