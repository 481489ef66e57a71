import { Effect } from "effect"
import { eventually } from "../../support/eventually.ts"
import type { InjectedFault } from "../experiments/InjectedFault.ts"
import * as Frame from "../proxy/Frame.ts"

const unknownTag = Buffer.from([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0])
const reserved = Buffer.of(0)

/** Faults that make the broker close channels and connections. */
export const channel: ReadonlyArray<InjectedFault> = [
  {
    // The broker closes the channel of one consumer. The other channels and the connection stay open.
    name: "channel-exception",
    allow: { closes: ["406 PRECONDITION_FAILED - unknown delivery tag"] },
    inject: ({ frames, tcp }) =>
      Effect.gen(function* () {
        const accepted = tcp.accepted
        frames.insert(({ consuming: [channel] }) =>
          channel === undefined ? undefined : Frame.method(channel, Frame.Method.basicAck, unknownTag)
        )
        yield* eventually(
          "a channel is closed",
          Effect.sync(() => frames.closes.length === 1),
          { atMost: "5 seconds" }
        )
        yield* Effect.sleep(500)
        yield* eventually(
          "the connections stay",
          Effect.sync(() => tcp.accepted === accepted),
          { atMost: 100 }
        )
      })
  },
  {
    name: "channel-exception-publisher",
    allow: { closes: ["406 PRECONDITION_FAILED - unknown delivery tag"] },
    inject: ({ frames, tcp }) =>
      Effect.gen(function* () {
        const accepted = tcp.accepted
        frames.insert(({ publishing: [channel] }) =>
          channel === undefined ? undefined : Frame.method(channel, Frame.Method.basicAck, unknownTag)
        )
        yield* eventually(
          "a channel is closed",
          Effect.sync(() => frames.closes.length === 1),
          { atMost: "5 seconds" }
        )
        yield* Effect.sleep(500)
        yield* eventually(
          "the connections stay",
          Effect.sync(() => tcp.accepted === accepted),
          { atMost: 100 }
        )
      })
  },
  {
    // A client that reuses the number of a channel too early loses the whole connection.
    name: "channel-reuse",
    allow: { closes: ["504 CHANNEL_ERROR - second 'channel.open' seen"], disruptions: 2 },
    inject: ({ frames }) =>
      Effect.gen(function* () {
        for (const kind of ["publishing", "consuming"] as const) {
          const closed = frames.closes.length
          frames.insert((channels) => {
            const [channel] = channels[kind]
            return channel === undefined ? undefined : Frame.method(channel, Frame.Method.channelOpen, reserved)
          })
          yield* eventually(
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
    // amqplib itself reuses a number too early when a channel is closed with a backlog.
    name: "channel-reuse-backlog",
    shape: { publishers: 150, pause: 100, padding: 100_000, handling: 0, fanout: false, concurrency: 50 },
    options: { publishTimeout: "10 seconds" },
    allow: { closes: ["404 NOT_FOUND - no exchange", "504 "], failures: ["Unroutable"], disruptions: 2 },
    inject: ({ ask, exchanges: [exchange] }) => Effect.asVoid(ask((channel) => channel.deleteExchange(exchange)))
  },
  {
    name: "ack-timeout",
    shape: { publishers: 3, pause: 60, scripts: { late: 3, flaky: 5 }, handlerTimeout: 20_000 },
    allow: { closes: ["406 PRECONDITION_FAILED - delivery acknowledgement on channel"], disruptions: 10 },
    inject: ({ ctl, frames, tcp }) =>
      Effect.gen(function* () {
        const ackTimeout = (millis: number) => ctl("eval", `application:set_env(rabbit, consumer_timeout, ${millis}).`)
        yield* Effect.acquireRelease(ackTimeout(3000), () => ackTimeout(1_800_000))
        // Channels read the timeout when they are opened.
        tcp.cut()
        yield* eventually(
          "channels are closed, or since RabbitMQ 4.3 consumers cancelled",
          Effect.sync(() => frames.closes.length + frames.cancels > 2),
          { atMost: "20 seconds" }
        )
        yield* Effect.sleep("3 seconds")
        yield* ackTimeout(1_800_000)
        tcp.cut()
      })
  }
]
