import { connect } from "amqplib"
import type { Channel } from "amqplib"
import { Effect } from "effect"
import type { Scope } from "effect"
import { within } from "../../support/Deadline.ts"
import { url } from "./LabBroker.ts"

/** Milliseconds that the broker has to answer. */
export const answerTimeout = 10_000

/** Opens a channel of amqplib directly to the broker, without a proxy. */
export const open = (port: number): Effect.Effect<Channel, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const model = await connect(url(port), { timeout: answerTimeout })
        model.on("error", () => {})
        const channel = await model.createChannel()
        channel.on("error", () => {})
        return { channel, model }
      }),
      ({ model }) => Effect.promise(() => within(2000, "closing", model.close()).catch(() => {}))
    ),
    ({ channel }) => channel
  )

/** Sends a request on a connection of its own, because the broker may answer by closing the channel. */
export const ask = <A>(port: number, request: (channel: Channel) => Promise<A>): Effect.Effect<A> =>
  Effect.scoped(
    Effect.flatMap(open(port), (channel) =>
      Effect.promise(() => within(answerTimeout, "an answer of the broker", request(channel)))
    )
  )
