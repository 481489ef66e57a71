/** A process that replays the dead letters of a queue, and says how many are done, until it is killed. */
import { AmqpBroker } from "@effect-eventbus/amqp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Redacted } from "effect"
import { EventBus } from "effect-eventbus"

const [url = "", exchange = "", queue = ""] = process.argv.slice(2)

// It ends with the process that started it.
process.stdin.on("close", () => process.exit(1)).resume()

const replay = EventBus.EventBus.use((bus) =>
  bus.deadLetters(queue).replay({ onProgress: ({ done }) => Effect.sync(() => console.log(done)) })
)
// With few publishes in flight, most of what is being replayed is in this process alone when it is killed.
const Bus = EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url), exchange, maxInFlight: 10 })))

replay.pipe(Effect.provide(Bus), NodeRuntime.runMain)
