/**
 * Notices that RabbitMQ has stopped delivering to a consumer.
 *
 * When a node is paused or cut off, a quorum queue can lose deliveries or acknowledgements
 * on their way between its leader and a channel of another node. Its leader counts them as
 * unacknowledged, and no channel knows of them. Once they fill the prefetch, the consumer
 * gets nothing any more until its channel is closed (rabbitmq/rabbitmq-server#15473, seen
 * on 3.10).
 *
 * @internal
 */

import * as Effect from "effect/Effect"

/** The pause between two looks at a consumer that is idle. */
const interval = "10 seconds"

/** The time in which a message that waits reaches a consumer that is free. */
const grace = "2 seconds"

/** The state of a consumer, as far as it is watched. */
export interface Watched {
  /** The number of messages that it has been handed so far. */
  readonly received: () => number
  /** Whether it holds messages that it has not settled. */
  readonly isBusy: () => boolean
  /** Asks for the number of messages that wait for it. */
  readonly waiting: Effect.Effect<number>
}

/** Waits until messages wait for a free consumer, and none comes. Succeeds with their number. */
export const stalled = Effect.fnUntraced(function* ({ isBusy, received, waiting }: Watched): Effect.fn.Return<number> {
  let before = received()
  /** Whether it has been given nothing since the last look. */
  const isIdle = () => !isBusy() && received() === before
  for (;;) {
    before = received()
    yield* Effect.sleep(interval)
    if (!isIdle() || (yield* waiting) === 0) continue
    yield* Effect.sleep(grace)
    const left = isIdle() ? yield* waiting : 0
    if (left > 0 && isIdle()) return left
  }
})
