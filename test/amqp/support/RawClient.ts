import { Socket } from "node:net"
import { connect } from "amqplib"
import type { ChannelModel, ConfirmChannel, GetMessage } from "amqplib"
import { Effect } from "effect"
import type { Scope } from "effect"
import { eventually } from "../../support/eventually.ts"

/** A channel of amqplib itself, as another client of the broker has it. */
export interface RawClient {
  readonly channel: ConfirmChannel
  /** Runs something on the channel. */
  readonly run: <A>(f: (channel: ConfirmChannel) => PromiseLike<A> | A) => Effect.Effect<A>
  /** Publishes, and waits for the confirm. */
  readonly publish: (
    exchange: string,
    routingKey: string,
    content: Uint8Array | string,
    options?: Parameters<ConfirmChannel["publish"]>[3]
  ) => Effect.Effect<void>
  /** Takes the next message off a queue, as soon as there is one. */
  readonly take: (queue: string) => Effect.Effect<GetMessage>
}

/**
 * A header of tables in tables, as deep as no encoder of JavaScript would go: what `asTable` does not make a table of
 * on its way is a byte array.
 */
export const deepTable = (levels: number): Record<string, unknown> => {
  const bytes = Buffer.alloc(7 * levels)
  for (let i = 0; i < levels; i++) {
    bytes.write("\u0001aF", 7 * i)
    bytes.writeUInt32BE(7 * (levels - i - 1), 7 * i + 3)
  }
  return { [deepKey]: bytes }
}

const deepKey = "deep-table"

/** The two are told apart by one letter: `x` is a byte array, `F` a table. */
const asTable = (model: ChannelModel): void => {
  const stream: unknown = Reflect.get(model.connection, "stream")
  if (!(stream instanceof Socket)) return
  const write = stream.write.bind(stream)
  stream.write = (chunk: Uint8Array | string) => {
    const at = Buffer.isBuffer(chunk) ? chunk.indexOf(`${deepKey}x`) : -1
    if (Buffer.isBuffer(chunk) && at >= 0) chunk.write("F", at + deepKey.length)
    return write(chunk)
  }
}

export const open = (url: string): Effect.Effect<RawClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const model = yield* Effect.acquireRelease(
      Effect.promise(() => connect(url, { timeout: 60_000 })),
      (model) =>
        // A test may have ended it already.
        Effect.promise(() => model.close().catch(() => {})).pipe(Effect.timeoutOption("2 seconds"))
    )
    model.on("error", () => {})
    asTable(model)
    const channel = yield* Effect.promise(() => model.createConfirmChannel())
    channel.on("error", () => {})
    const run: RawClient["run"] = (f) => Effect.promise(async () => f(channel))
    return {
      channel,
      run,
      publish: (exchange, routingKey, content, options) =>
        run((channel) => {
          channel.publish(exchange, routingKey, Buffer.from(content), options)
          return channel.waitForConfirms()
        }),
      take: Effect.fnUntraced(function* (queue) {
        let message: GetMessage | undefined
        yield* eventually(
          `a message in "${queue}"`,
          Effect.map(
            run((channel) => channel.get(queue, { noAck: true })),
            (got) => (message = got === false ? undefined : got) !== undefined
          )
        ).pipe(Effect.orDie)
        if (message === undefined) return yield* Effect.die("unreachable")
        return message
      })
    }
  })
