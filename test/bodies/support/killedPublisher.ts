/** A service that is killed after it has stored a blob, and before it publishes the event. */
import { AmqpBroker } from "@effect-eventbus/amqp"
import { BlobStore, Bodies, ClaimCheck } from "@effect-eventbus/bodies"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Redacted } from "effect"
import { Broker, EventBus, EventType } from "effect-eventbus"

export interface Parameters {
  readonly url: string
  readonly exchange: string
  readonly directory: string
}

const { directory, exchange, url }: Parameters = JSON.parse(process.argv[2] ?? "")

const program = Effect.gen(function* () {
  const broker = yield* Broker.Broker
  const kill = Effect.andThen(
    Effect.sync(() => process.kill(process.pid, "SIGKILL")),
    Effect.never
  )
  const sealed = Bodies.wrap({ ...broker, publish: () => kill }, [yield* ClaimCheck.make({ over: 0 })])
  const bus = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, sealed))
  yield* bus.publish(yield* EventType.untyped("report.made").event({ text: "never published" }))
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(
      Layer.mergeAll(
        AmqpBroker.layer({ url: Redacted.make(url), exchange }),
        Layer.provide(BlobStore.layerFileSystem({ directory }), NodeServices.layer)
      )
    )
  )
)
