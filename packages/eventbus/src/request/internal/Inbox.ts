/**
 * A temporary queue whose messages are waited for, each by a key.
 *
 * The queue outlives a lost connection, and so do the messages in it. What is not
 * waited for is dropped.
 *
 * @internal
 */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Broker } from "../../broker/Broker.ts"
import type { SubscribeError } from "../../broker/BrokerError.ts"
import type { Envelope } from "../../broker/Envelope.ts"
import * as RequestError from "../RequestError.ts"

/** The time that a queue waits for a requester which has lost its connection, in milliseconds. */
const reconnectWithin = 60_000
/** The number of unsettled messages at once. Each is settled as soon as it comes. */
const concurrency = 1000

/** A message that is waited for, or the reason why it will not come. */
export type Awaited = Deferred.Deferred<Envelope, RequestError.Reason>

export interface Inbox {
  readonly queue: string
  readonly expect: (key: string, awaited: Awaited) => void
  readonly forget: (key: string, awaited: Awaited) => void
}

/** Consumes a queue of its own until the scope closes. Then all that wait fail with `Closed`. */
export const make = Effect.fnUntraced(function* (
  broker: Broker["Service"],
  options: {
    /** The patterns of the routing keys that the queue receives. It has its other messages by its name. */
    readonly patterns: ReadonlyArray<string>
    readonly keyOf: (envelope: Envelope) => string | undefined
    readonly onUnexpected: () => void
  }
): Effect.fn.Return<Inbox, SubscribeError, Scope.Scope> {
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const waiting = new Map<string, Set<Awaited>>()
  const queue = `reply.${crypto.randomUUID()}`

  const receive = (envelope: Envelope): void => {
    const key = options.keyOf(envelope)
    const awaited = key === undefined ? undefined : waiting.get(key)
    if (key === undefined || awaited === undefined) return options.onUnexpected()
    waiting.delete(key)
    for (const each of awaited) Deferred.doneUnsafe(each, Effect.succeed(envelope))
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      const closed = Effect.fail(new RequestError.Closed())
      for (const awaited of waiting.values()) for (const each of awaited) Deferred.doneUnsafe(each, closed)
      waiting.clear()
    })
  )
  yield* broker.consume(
    {
      name: queue,
      patterns: options.patterns,
      concurrency,
      deadLetterQueue: undefined,
      messageTtl: undefined,
      priorities: false,
      temporary: true,
      reconnectWithin
    },
    (delivery) => {
      receive(delivery.envelope)
      run(delivery.ack)
    }
  )
  return {
    queue,
    expect: (key, awaited) => {
      const others = waiting.get(key)
      if (others === undefined) waiting.set(key, new Set([awaited]))
      else others.add(awaited)
    },
    forget: (key, awaited) => {
      const others = waiting.get(key)
      if (others?.delete(awaited) === true && others.size === 0) waiting.delete(key)
    }
  }
})
