import { connect } from "amqplib"
import type { ConfirmChannel, GetMessage } from "amqplib"
import { Effect } from "effect"
import type { Scope } from "effect"
import { until } from "./Wait.ts"

/** A channel of amqplib itself, as another client of the broker has it. */
export interface Raw {
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

export const open = (url: string): Effect.Effect<Raw, never, Scope.Scope> =>
  Effect.gen(function* () {
    const model = yield* Effect.acquireRelease(
      Effect.promise(() => connect(url, { timeout: 5000 })),
      (model) =>
        // A test may have ended it already.
        Effect.promise(() => model.close().catch(() => {})).pipe(Effect.timeoutOption("2 seconds"))
    )
    model.on("error", () => {})
    const channel = yield* Effect.promise(() => model.createConfirmChannel())
    channel.on("error", () => {})
    const run: Raw["run"] = (f) => Effect.promise(async () => f(channel))
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
        yield* until(
          `a message in "${queue}"`,
          Effect.map(
            run((channel) => channel.get(queue, { noAck: true })),
            (got) => (message = got === false ? undefined : got) !== undefined
          )
        )
        if (message === undefined) return yield* Effect.die("unreachable")
        return message
      })
    }
  })
