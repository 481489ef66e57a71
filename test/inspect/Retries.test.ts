import { AmqpQueue, AmqpBroker } from "@effect-eventbus/amqp"
import { BrokerConnection, Retries } from "@effect-eventbus/inspect"
import { assert, describe, inject, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue, Schedule } from "effect"
import { Broker, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Rig from "../amqp/support/Rig.ts"
import { eventually } from "../support/eventually.ts"

const url = inject("rabbitUrl") ?? ""

const untilCount = <E>(expected: number, count: Effect.Effect<number, E>) =>
  eventually(
    `${expected} events wait`,
    Effect.map(count, (count) => count === expected)
  )

/** A queue in which events wait for their second attempt, and what looks into it. */
const waiting = (events: number, delay: number) =>
  Effect.gen(function* () {
    const rig = yield* Rig.make(url, "retries")
    const queue = rig.queue("work", [delay])
    const settings = rig.settings()
    const live = yield* BrokerConnection.open(settings, "consume")
    const { publish, subscribe } = yield* rig.bus()
    const again = yield* Queue.unbounded<{ readonly id: string; readonly attempt: number; readonly at: number }>()
    yield* subscribe(
      Handler.make(Subscription.make(queue, { patterns: ["ping.*"], concurrency: 1 }), ({ eventId }, { attempt }) =>
        attempt === 1
          ? Effect.fail("not yet")
          : Effect.asVoid(Queue.offer(again, { id: eventId, attempt, at: Date.now() }))
      ).pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced(delay).pipe(Schedule.upTo({ times: 3 })))))
    )
    const ids: Array<string> = []
    for (let n = 0; n < events; n++) {
      const event = yield* Rig.Ping.event({ n })
      ids.push(event.eventId)
      yield* publish(event)
    }
    yield* untilCount(events, Retries.count(live, queue))
    return { again, ids, live, queue, rig }
  })

const nextId = (again: Queue.Dequeue<{ readonly id: string }>) => Effect.map(Queue.take(again), ({ id }) => id)

/** A delay in which a slow machine gets all events into their wait queue, and looks at them. */
const longEnough = 20_000

describe.skipIf(url === "").concurrent("Retries", () => {
  it.live("tells how many events wait, and which are due next, and holds none of them up", () =>
    Effect.gen(function* () {
      const delay = longEnough
      const { again, ids, live, queue } = yield* waiting(5, delay)
      const start = Date.now()
      const { delays, next } = yield* Retries.look(live, queue, 2)
      assert.deepStrictEqual(delays, [{ delay, messages: 5 }])
      assert.deepStrictEqual(
        next.map(({ envelope }) => envelope.id),
        ids.slice(0, 2)
      )
      const [first] = next
      assert.deepInclude(first?.envelope.fault, { reason: "Failure", attempts: 1 })
      assert.strictEqual(first?.envelope.attempt, 2)
      assert.isAtLeast(first?.dueAt ?? 0, start)
      assert.isAtMost(first?.dueAt ?? 0, start + delay)
      // A look that put them at the end of the queue would make the first one the last one.
      const retried = yield* Effect.forEach(ids, () => nextId(again))
      assert.deepStrictEqual(retried, ids)
    })
  )

  it.live("keeps the order where a look takes all that wait, again and again", () =>
    Effect.gen(function* () {
      const { again, ids, live, queue } = yield* waiting(3, longEnough)
      for (let looks = 0; looks < 5; looks++) {
        const { next } = yield* Retries.look(live, queue, 10)
        assert.strictEqual(next.length, 3)
      }
      assert.deepStrictEqual(yield* Effect.forEach(ids, () => nextId(again)), ids)
    })
  )

  it.live("retries at once what waits, as the attempt that it waits for", () =>
    Effect.gen(function* () {
      const { again, ids, live, queue, rig } = yield* waiting(40, 60_000)
      const broker = Context.get(yield* Layer.build(AmqpBroker.layer(rig.options())), Broker.Broker)
      const result = yield* Retries.retryNow(live, broker, queue)
      assert.deepStrictEqual(result, { waiting: 40, retried: 40, failure: undefined })
      const retried = yield* Effect.forEach(ids, () => Queue.take(again))
      assert.deepStrictEqual(
        retried.map(({ id }) => id),
        ids
      )
      assert.deepStrictEqual(new Set(retried.map(({ attempt }) => attempt)), new Set([2]))
      assert.strictEqual(yield* Retries.count(live, queue), 0)
    })
  )

  it.live("leaves the events where they wait when their queue is gone", () =>
    Effect.gen(function* () {
      const { live, queue, rig } = yield* waiting(3, 60_000)
      const gone = `${queue}.gone`
      const broker = Context.get(yield* Layer.build(AmqpBroker.layer(rig.options())), Broker.Broker)
      const elsewhere = {
        put: (_: string, ...rest: readonly [Parameters<typeof broker.put>[1]]) => broker.put(gone, ...rest)
      }
      const { failure, retried } = yield* Retries.retryNow(live, elsewhere, queue)
      assert.strictEqual(failure?._tag, "Unroutable")
      assert.strictEqual(retried, 0)
      yield* untilCount(3, Retries.count(live, queue))
    })
  )
})

describe.skipIf(url === "")("AmqpQueue.removeIdle", () => {
  it.live("deletes an empty queue, and leaves another with its bindings", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "idle")
      const settings = rig.settings()
      const { declare, publish, queueInfo } = yield* rig.bus()
      const live = yield* BrokerConnection.open(settings, "consume")
      const name = rig.queue("work")
      yield* declare(Subscription.make(name, { patterns: ["ping.*"] }))
      const bindings = [
        { exchange: rig.exchange, key: "ping.*" },
        { exchange: rig.deadLetterExchange, key: name }
      ]
      yield* publish(yield* Rig.Ping.event({}))
      const left = yield* AmqpQueue.removeIdle(live, name, bindings)
      assert.deepStrictEqual(left, { name, messages: 1, consumers: 0 })
      yield* publish(yield* Rig.Ping.event({}), { unroutable: "fail" })
      const raw = yield* rig.raw
      yield* raw.run((channel) => channel.purgeQueue(name))
      assert.isUndefined(yield* AmqpQueue.removeIdle(live, name, bindings))
      assert.strictEqual((yield* queueInfo(name))._tag, "None")
    })
  )
})
