/** Records what handlers see, and asks for what waits in queues. */

import { assert } from "@effect/vitest"
import { EventBus, Handler, QueueSpec, Subscription } from "effect-eventbus"
import type { DecodedDelivery, Event } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { bounded } from "./Patience.ts"

/** Keeps values in their order, for a test to wait for. */
export const recorder = <A>() =>
  Effect.map(Queue.unbounded<A>(), (queue) => {
    const take = bounded(Queue.take(queue))
    return {
      push: (value: A) => Effect.asVoid(Queue.offer(queue, value)),
      take,
      takeN: (n: number) => Effect.replicateEffect(take, n),
      size: Queue.size(queue)
    }
  })

/** Subscribes a function, and records every delivery that it handled. */
export const record = Effect.fnUntraced(function* <Ev extends Event.Event>(
  subscription: Subscription.Subscription<Ev>,
  f: (event: Ev, delivery: DecodedDelivery.DecodedDelivery<Ev>) => Effect.Effect<unknown> = () => Effect.void
) {
  const bus = yield* EventBus.EventBus
  const seen = yield* recorder<DecodedDelivery.DecodedDelivery<Ev>>()
  yield* bus.subscribe(
    Handler.make(subscription, (event, delivery) => Effect.andThen(f(event, delivery), seen.push(delivery)))
  )
  return seen
})

/** Consumes the dead letters of a queue, and records them. */
export const deadLetters = (queue: string) =>
  record(Subscription.make(QueueSpec.deadLetterQueueOf(queue), { patterns: ["#"] }))

/** Returns the number of messages that wait in a queue, or -1 where there is no such queue. */
export const messages = (queue: string) =>
  EventBus.EventBus.use((bus) => bus.queueInfo(queue)).pipe(
    Effect.map((info) => (info._tag === "Some" ? info.value.messages : -1))
  )

/** Asserts why a delivery is a dead letter. */
export const assertFault = (
  letter: DecodedDelivery.DecodedDelivery,
  expected: { readonly reason: string; readonly attempts?: number; readonly message?: RegExp }
) => {
  const { fault } = letter.envelope
  assert.isDefined(fault)
  assert.strictEqual(fault.reason, expected.reason)
  if (expected.attempts !== undefined) assert.strictEqual(fault.attempts, expected.attempts)
  if (expected.message !== undefined) assert.match(fault.message, expected.message)
  assert.isAtMost(fault.firstFailedAt, fault.lastFailedAt)
}
