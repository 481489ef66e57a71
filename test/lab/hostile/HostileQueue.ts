import { AmqpDelay } from "@effect-eventbus/amqp"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import { Effect, Queue, Schedule, Schema } from "effect"
import { EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import type { DecodedDelivery } from "effect-eventbus"
import * as RawClient from "../../amqp/support/RawClient.ts"
import * as Rig from "../../amqp/support/Rig.ts"
import { eventually } from "../../support/eventually.ts"
import { remove } from "../../support/Leftovers.ts"
import { bodyWith, maxBodyBytes } from "./HostileBodies.ts"

const Ping = EventType.make("ping", { payload: Schema.Struct({ n: Schema.Int }) })

class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}

/**
 * Makes a bus with one subscription. Its handler succeeds at the nth attempt, where n is in the payload, and the event is
 * a dead letter after three attempts.
 */
export const make = Effect.fnUntraced(function* (url: string, options: AmqpOptions.Options = {}) {
  const rig = yield* Rig.make(url, "hostile")
  const bus = yield* rig.bus({ maxBodyBytes, ...options })
  const work = rig.queue("work")
  const wait = AmqpDelay.waitQueue(work, 20, rig.settings(options)).name
  yield* Effect.addFinalizer(() => Effect.promise(() => remove(url, { queues: [wait] })))
  const attempts = yield* Queue.unbounded<DecodedDelivery.DecodedDelivery>()
  yield* bus.subscribe(
    Handler.make(
      Subscription.make(work, { events: [Ping], patterns: ["ping.*"], concurrency: 10 }),
      (event, delivery) =>
        Effect.andThen(
          Queue.offer(attempts, delivery),
          delivery.attempt < event.payload.n ? Effect.fail(new Flaky()) : Effect.void
        )
    ).pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 2 })))))
  )
  const to = { exchange: rig.exchange, routingKey: "ping.normal" }

  /**
   * Returns the numbers of the next attempts. It then publishes a valid event, and adds "good" if that one is handled
   * next.
   */
  const handled = Effect.fnUntraced(function* (count: number) {
    const seen = yield* Effect.timeout(Queue.takeN(attempts, count), "60 seconds")
    const good = yield* Ping.event({ n: 0 })
    yield* bus.publish(good, { unroutable: "fail" })
    const last = yield* Effect.timeout(Queue.take(attempts), "60 seconds")
    return [
      ...seen.map(({ attempt }) => attempt),
      last.event.eventId === good.eventId ? "good" : `another attempt ${last.attempt}`
    ]
  })

  const becomes = (queue: string, messages: number) =>
    eventually(
      `${messages} messages in "${queue}"`,
      Effect.map(bus.queueInfo(queue), (info) => info._tag === "Some" && info.value.messages === messages)
    )

  return {
    rig,
    bus,
    work,
    to,
    handled,
    becomes,
    raw: yield* RawClient.open(url),
    /** Subscribes to the dead letters. */
    letters: Effect.gen(function* () {
      const letters = yield* Queue.unbounded<DecodedDelivery.DecodedDelivery>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(`dlq.${work}`, { patterns: ["#"] }), (_, letter) => Queue.offer(letters, letter))
      )
      return letters
    }),
    /** Returns a body whose handler fails a number of times before it succeeds. */
    failing: (times: number) => bodyWith({ payload: { n: times + 1 } })
  }
})
