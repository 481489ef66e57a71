import { assert } from "@effect/vitest"
import {
  Broker,
  EventBus,
  EventCodec,
  EventType,
  FailurePolicy,
  Handler,
  Request,
  Subscription,
  Version
} from "effect-eventbus"
import type { Event } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { eventually } from "./Patience.ts"
import { assertFault, deadLetters, messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon } from "./TestEvents.ts"

const InEuros = Schema.Struct({ euros: Schema.Finite })
const InCents = Schema.Struct({ cents: Schema.Int })

const First = EventType.make("bill.paid", { payload: InEuros })
const Second = EventType.make("bill.paid", {
  version: 2,
  payload: InCents,
  from: {
    1: Version.step(InEuros, ({ euros }) => {
      if (euros < 0) throw new RangeError(`${euros} euros`)
      return { cents: euros * 100 }
    })
  }
})
const Third = EventType.make("bill.paid", {
  version: 3,
  payload: Schema.Struct({ cents: Schema.Int, currency: Schema.String }),
  from: {
    1: Version.step(InEuros, ({ euros }) => ({ cents: euros * 100, currency: "EUR" })),
    2: Version.step(InCents, ({ cents }) => ({ cents, currency: "EUR" }))
  }
})

const textOf = (body: Uint8Array) => new TextDecoder().decode(body)

/** Publishes an event without the version in its headers, as other languages do. */
const publishUnversioned = Effect.fnUntraced(function* (event: Event.Event) {
  const broker = yield* Broker.Broker
  const routingKey = `${event.eventType}.normal`
  const envelope = yield* Effect.fromResult(
    EventCodec.toEnvelope(event, { routingKey, persistent: true, traceparent: undefined })
  )
  yield* broker.publish({ ...envelope, version: undefined })
})

export const versionSuite = suite("versions", (test) => {
  test("an older event reaches its handler in the newest version, and keeps version and bytes through retry, dead letter and replay", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("bills")
      const attempts = yield* recorder<readonly [cents: number, version: number | undefined, body: string]>()
      const event = yield* First.event({ euros: 12 })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bus.subscribe(
            Handler.make(Subscription.make(queue, { events: [Second] }), ({ payload }, { envelope }) =>
              Effect.andThen(
                attempts.push([payload.cents, envelope.version, textOf(envelope.body)]),
                Effect.fail(new Flaky({ n: 0 }))
              )
            ).pipe(Handler.onFailure(soon(1)))
          )
          yield* bus.publish(event)
          yield* eventually(messages(`dlq.${queue}`), (n) => n === 1)
        })
      )
      const original = textOf(yield* Effect.fromResult(EventCodec.encode(event)))
      const retried = original.replace('"retry_count":0', '"retry_count":1')
      assert.deepStrictEqual(yield* attempts.takeN(2), [
        [1200, 1, original],
        [1200, 1, retried]
      ])
      const dead = (yield* bus.deadLetters(queue).peek()).letters[0]?.envelope
      assert.isDefined(dead)
      assert.deepStrictEqual([dead.version, textOf(dead.body)], [1, retried])
      const handled = yield* record(Subscription.make(queue, { events: [Third] }))
      yield* bus.deadLetters(queue).replay()
      const replayed = yield* handled.take
      assert.deepStrictEqual(replayed.event.payload, { cents: 1200, currency: "EUR" })
      assert.deepStrictEqual([replayed.envelope.version, textOf(replayed.envelope.body)], [1, original])
    }))

  test("every version at once: one subscription handles them all as the newest", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("bills")
      const handled = yield* record(Subscription.make(queue, { events: [Third] }))
      yield* bus.publish(yield* First.event({ euros: 1 }))
      yield* bus.publish(yield* Second.event({ cents: 200 }))
      yield* bus.publish(yield* Third.event({ cents: 300, currency: "CHF" }))
      const payloads = (yield* handled.takeN(3)).map(({ event }) => event.payload)
      assert.deepStrictEqual(
        payloads.toSorted((a, b) => a.cents - b.cents),
        [
          { cents: 100, currency: "EUR" },
          { cents: 200, currency: "EUR" },
          { cents: 300, currency: "CHF" }
        ]
      )
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("an event without a version is read by the oldest one whose schema accepts it", () =>
    Effect.gen(function* () {
      const queue = yield* unique("bills")
      const handled = yield* record(Subscription.make(queue, { events: [Third] }))
      yield* publishUnversioned(yield* First.event({ euros: 1 }))
      yield* publishUnversioned(yield* Second.event({ cents: 200 }))
      const deliveries = yield* handled.takeN(2)
      assert.sameDeepMembers(
        deliveries.map(({ envelope, event }) => [envelope.version, event.payload.cents]),
        [
          [undefined, 100],
          [undefined, 200]
        ]
      )
    }))

  test("an event of a version that is not known yet is a dead letter at once, which a newer consumer replays", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("bills")
      const event = yield* Third.event({ cents: 300, currency: "CHF" })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const handled = yield* record(Subscription.make(queue, { events: [Second] }))
          yield* bus.publish(event)
          yield* eventually(messages(`dlq.${queue}`), (n) => n === 1)
          assert.strictEqual(yield* handled.size, 0)
        })
      )
      const [letter] = (yield* bus.deadLetters(queue).peek()).letters
      assert.deepInclude(letter?.envelope.fault, { reason: "FutureVersion", attempts: 0 })
      assert.match(letter?.envelope.fault?.message ?? "", /bill\.paid in version 3.* up to 2/)
      const handled = yield* record(Subscription.make(queue, { events: [Third] }))
      yield* bus.deadLetters(queue).replay()
      const replayed = yield* handled.take
      assert.deepStrictEqual(replayed.event.payload, event.payload)
      assert.strictEqual(replayed.envelope.version, 3)
    }))

  test("a type that accepts newer versions reads them by its own schema", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("bills")
      const Additive = EventType.make("bill.paid", { version: 2, payload: InCents, accept: "newer" })
      const handled = yield* record(Subscription.make(queue, { events: [Additive] }))
      yield* bus.publish(yield* Third.event({ cents: 300, currency: "CHF" }))
      const { envelope, event } = yield* handled.take
      assert.deepStrictEqual([envelope.version, event.payload], [3, { cents: 300 }])
    }))

  test("a step that throws, or makes what the newest schema refuses, is a dead letter at once that names the step and no value", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("bills")
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [Second], concurrency: 1 }), () =>
          Effect.fail(new Flaky({ n: 0 }))
        ).pipe(Handler.onFailure(FailurePolicy.discard))
      )
      const step = "the step of bill\\.paid from version 1 to 2"
      yield* bus.publish(yield* First.event({ euros: -77 }))
      const thrown = yield* letters.take
      assertFault(thrown, { reason: "StepFailed", attempts: 0, message: new RegExp(`${step} threw RangeError$`) })
      yield* bus.publish(yield* First.event({ euros: 0.777 }))
      const refused = yield* letters.take
      assertFault(refused, { reason: "StepFailed", attempts: 0, message: new RegExp(`${step} .*payload\\.cents$`) })
      for (const { envelope } of [thrown, refused]) assert.notInclude(envelope.fault?.message, "77")
    }))

  test("a consumer of dead letters handles them in the newest version, too", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("bills")
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [Second] }), () => Effect.fail(new Flaky({ n: 0 }))).pipe(
          Handler.onFailure(FailurePolicy.deadLetter)
        )
      )
      const handled = yield* record(Subscription.make(`dlq.${queue}`, { events: [Third] }))
      yield* bus.publish(yield* First.event({ euros: 12 }))
      assert.deepStrictEqual((yield* handled.take).event.payload, { cents: 1200, currency: "EUR" })
    }))

  test("a request of an older version is answered by a handler that sees the newest", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("quotes")
      const Old = Request.make("quote.asked", { payload: InEuros, success: Schema.Int })
      const New = Request.make("quote.asked", {
        version: 2,
        payload: InCents,
        from: { 1: Version.step(InEuros, ({ euros }) => ({ cents: euros * 100 })) },
        success: Schema.Int
      })
      yield* bus.subscribe(
        Request.handle(Subscription.make(queue, { events: [New] }), New, ({ payload }) => Effect.succeed(payload.cents))
      )
      assert.strictEqual(yield* Request.call(Old, { euros: 12 }, { timeout: "1 minute" }), 1200)
    }))
})
