import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { Causation, EventBus, EventType, FailurePolicy, Fault, Handler, Subscription } from "effect-eventbus"
import type { DecodedDelivery } from "effect-eventbus"
import { TestClock } from "effect/testing"
import { envelope } from "./BareBroker.ts"

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`
const Step = EventType.untyped("step")

/** Returns a sighting of event `n`, which event `parent` caused at second `n`. */
const sighting = (n: number, parent: number | undefined, seen: Partial<DecodedDelivery.DecodedDelivery> = {}) =>
  Effect.map(
    Step.event(
      {},
      {
        eventId: id(n),
        parentEventId: parent === undefined ? undefined : id(parent),
        timestamp: DateTime.makeUnsafe(n * 1000)
      }
    ),
    (event): DecodedDelivery.DecodedDelivery => ({
      event,
      envelope: envelope("step"),
      queue: "steps",
      attempt: 1,
      redelivered: false,
      ...seen
    })
  )

interface Numbers extends ReadonlyArray<number | Numbers> {}

/** A tree by the numbers of its events: `[1, [2], [3]]` is an event that caused two. */
const numbers = ({ caused, event }: Causation.Causation): Numbers => [
  Number(event.eventId.slice(-12)),
  ...caused.map(numbers)
]

const forest = (...seen: ReadonlyArray<readonly [n: number, parent?: number]>) =>
  Effect.map(
    Effect.forEach(seen, ([n, parent]) => sighting(n, parent)),
    (deliveries) => Causation.forest(deliveries).map(numbers)
  )

describe("Causation", () => {
  it.effect("puts each event below the one that caused it, by their time, in whatever order they were seen", () =>
    Effect.gen(function* () {
      const tree = [[1, [2, [4]], [3]]]
      assert.deepStrictEqual(yield* forest([1], [2, 1], [3, 1], [4, 2]), tree)
      assert.deepStrictEqual(yield* forest([4, 2], [3, 1], [2, 1], [1]), tree)
    })
  )

  it.effect("has a tree of its own for each event whose parent was not seen", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* forest([5, 4], [1], [2, 1], [6, 5]), [
        [1, [2]],
        [5, [6]]
      ])
      assert.deepStrictEqual(yield* forest(), [])
    })
  )

  it.effect("loses no event, whatever it says of its parent", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* forest([1, 1], [2, 4], [3, 2], [4, 3]), [[1], [4, [2, [3]]]])
    })
  )

  it.effect("has one node for an event that was seen often, with all that was seen of it", () =>
    Effect.gen(function* () {
      const fault = Fault.make({ reason: "Flaky", message: "no", attempts: 2, now: 0 })
      const [tree, ...others] = Causation.forest(
        yield* Effect.all([
          sighting(1, undefined),
          sighting(1, undefined, { attempt: 2 }),
          sighting(1, undefined, { queue: "dlq.steps", envelope: envelope("step", { fault }) })
        ])
      )
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(tree?.sightings, [
        { queue: "steps", attempt: 1, fault: undefined },
        { queue: "steps", attempt: 2, fault: undefined },
        { queue: "dlq.steps", attempt: 1, fault }
      ])
    })
  )

  it.effect("makes a tree of a long chain, and it is plain data", () =>
    Effect.gen(function* () {
      const chain = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, n) => n + 1),
        (n) => sighting(n, n === 1 ? undefined : n - 1)
      )
      const [tree, ...others] = Causation.forest(chain)
      assert.deepStrictEqual(others, [])
      assert.doesNotThrow(() => JSON.stringify(tree))
      let depth = 0
      for (let at = tree; at !== undefined; at = at.caused[0]) depth += 1
      assert.strictEqual(depth, 500)
    })
  )

  it.effect("follows a trace through retries and dead letters", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Order = EventType.untyped("order")
      const Receipt = EventType.untyped("receipt")
      const seen: Array<DecodedDelivery.DecodedDelivery> = []
      const look = (_: unknown, delivery: DecodedDelivery.DecodedDelivery) =>
        Effect.sync(() => void seen.push(delivery))
      const orders = Subscription.make("orders", { events: [Order] })
      yield* bus.subscribe(
        Handler.make(orders, (event, delivery) =>
          Effect.gen(function* () {
            yield* look(event, delivery)
            if (delivery.attempt === 1) return yield* Effect.fail("not yet")
            yield* bus.publish(yield* Receipt.event({}))
          })
        )
      )
      yield* bus.subscribe(
        Handler.make(Subscription.make("receipts", { events: [Receipt] }), (event, delivery) =>
          Effect.andThen(look(event, delivery), Effect.fail("out of paper"))
        ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      yield* bus.subscribe(Handler.make(Subscription.make("dlq.receipts"), look))
      yield* bus.publish(yield* Order.event({}))
      yield* TestClock.adjust("1 minute")
      const [order, ...others] = Causation.forest(seen)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(order?.event.eventType, "order")
      assert.deepStrictEqual(
        order?.sightings.map(({ attempt, queue }) => [queue, attempt]),
        [
          ["orders", 1],
          ["orders", 2]
        ]
      )
      const [receipt] = order?.caused ?? []
      assert.deepStrictEqual(
        receipt?.sightings.map(({ fault, queue }) => [queue, fault?.message]),
        [
          ["receipts", undefined],
          ["dlq.receipts", "out of paper"]
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
  )
})
