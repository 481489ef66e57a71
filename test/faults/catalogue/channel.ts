import { Effect } from "effect"
import type { Fault } from "../Fault.ts"
import * as Frame from "../Frame.ts"
import { until } from "../Until.ts"

const unknownTag = Buffer.from([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0])
const reserved = Buffer.of(0)

/** What the broker closes because of something wrong that was said. */
export const channel: ReadonlyArray<Fault> = [
  {
    // One consumer's channel is closed; its neighbours, and the connection, are not.
    name: "channel-exception",
    allow: { closes: ["406 PRECONDITION_FAILED - unknown delivery tag"] },
    happen: ({ frames, tcp }) =>
      Effect.gen(function* () {
        const accepted = tcp.accepted
        frames.say(({ consuming: [channel] }) =>
          channel === undefined ? undefined : Frame.method(channel, Frame.Method.basicAck, unknownTag)
        )
        yield* until(
          "a channel is closed",
          Effect.sync(() => frames.closes.length === 1),
          { atMost: "5 seconds" }
        )
        yield* Effect.sleep(500)
        yield* until(
          "the connections stay",
          Effect.sync(() => tcp.accepted === accepted),
          { atMost: 100 }
        )
      })
  },
  {
    name: "channel-exception-publisher",
    allow: { closes: ["406 PRECONDITION_FAILED - unknown delivery tag"] },
    happen: ({ frames, tcp }) =>
      Effect.gen(function* () {
        const accepted = tcp.accepted
        frames.say(({ publishing: [channel] }) =>
          channel === undefined ? undefined : Frame.method(channel, Frame.Method.basicAck, unknownTag)
        )
        yield* until(
          "a channel is closed",
          Effect.sync(() => frames.closes.length === 1),
          { atMost: "5 seconds" }
        )
        yield* Effect.sleep(500)
        yield* until(
          "the connections stay",
          Effect.sync(() => tcp.accepted === accepted),
          { atMost: 100 }
        )
      })
  },
  {
    // What a client says that takes the number of a channel again too early: the whole connection goes.
    name: "channel-reuse",
    allow: { closes: ["504 CHANNEL_ERROR - second 'channel.open' seen"], disruptions: 2 },
    happen: ({ frames }) =>
      Effect.gen(function* () {
        for (const kind of ["publishing", "consuming"] as const) {
          const closed = frames.closes.length
          frames.say((channels) => {
            const [channel] = channels[kind]
            return channel === undefined ? undefined : Frame.method(channel, Frame.Method.channelOpen, reserved)
          })
          yield* until(
            `the ${kind} connection is closed`,
            Effect.sync(() => frames.closes.length > closed),
            {
              atMost: "5 seconds"
            }
          )
          yield* Effect.sleep(700)
        }
      })
  },
  {
    // The way in which amqplib itself comes to take a number too early: a channel that dies with a backlog.
    name: "channel-reuse-backlog",
    shape: { publishers: 150, pause: 100, padding: 100_000, handling: 0, fanout: false, concurrency: 50 },
    options: { publishTimeout: "10 seconds" },
    allow: { closes: ["404 NOT_FOUND - no exchange", "504 "], failures: ["Unroutable"], disruptions: 2 },
    happen: ({ ask, exchanges: [exchange] }) => Effect.asVoid(ask((channel) => channel.deleteExchange(exchange)))
  },
  {
    name: "ack-timeout",
    shape: { publishers: 3, pause: 60, fates: { late: 3, flaky: 5 }, handlerTimeout: 20_000 },
    allow: { closes: ["406 PRECONDITION_FAILED - delivery acknowledgement on channel"], disruptions: 10 },
    happen: ({ ctl, frames, tcp }) =>
      Effect.gen(function* () {
        const patience = (millis: number) => ctl("eval", `application:set_env(rabbit, consumer_timeout, ${millis}).`)
        yield* Effect.acquireRelease(patience(3000), () => patience(1_800_000))
        // Channels learn it when they are opened.
        tcp.cut()
        yield* until(
          "channels are closed, or since RabbitMQ 4.3 consumers cancelled",
          Effect.sync(() => frames.closes.length + frames.cancels > 2),
          { atMost: "20 seconds" }
        )
        yield* Effect.sleep("3 seconds")
        yield* patience(1_800_000)
        tcp.cut()
      })
  }
]
