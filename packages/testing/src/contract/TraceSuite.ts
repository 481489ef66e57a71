import { assert } from "@effect/vitest"
import { EventBus, Handler, Subscription } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { bounded } from "./Patience.ts"
import { deadLetters, record, recorder } from "./Recorder.ts"
import { SpanCollector } from "./SpanCollector.ts"
import { elsewhere, failureOf, within, yieldingOften } from "./SpanReading.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, UserJoined } from "./TestEvents.ts"

export const traceSuite = suite("traces", (test) => {
  test("a trace that is not sampled has no spans, and is propagated unchanged", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      const joined = yield* record(Subscription.make(yield* unique("users"), { events: [UserJoined] })).pipe(
        spans.collect
      )
      yield* bus
        .subscribe(
          Handler.make(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }), () =>
            Effect.flatMap(UserJoined.event({ name: "Ada" }), bus.publish)
          )
        )
        .pipe(spans.collect)
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(within(elsewhere(false)), spans.collect)
      const { envelope } = yield* joined.take
      assert.strictEqual(envelope.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
      assert.deepStrictEqual(spans.all, [])
    }))

  test("spans below the minimum trace level are not created", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      const off = Effect.provideService(Tracer.MinimumTraceLevel, "None")
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] })).pipe(
        off,
        spans.collect
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(off, spans.collect)
      assert.isUndefined((yield* seen.take).envelope.traceparent)
      assert.deepStrictEqual(spans.all, [])
    }))

  test("a span that its tracer does not sample has no attributes, and the handling has no span", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector(false)
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] })).pipe(spans.collect)
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(spans.collect)
      assert.match((yield* seen.take).envelope.traceparent ?? "", /-00$/)
      assert.deepStrictEqual(
        spans.all.map(({ attributes, sampled, status }) => [sampled, attributes.size, status._tag]),
        [[false, 0, "Ended"]]
      )
    }))

  test("a handling that its tracer does not sample is one span, and the handler's publishes continue its trace", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector(false)
      const joined = yield* record(Subscription.make(yield* unique("users"), { events: [UserJoined] }))
      yield* bus
        .subscribe(
          Handler.make(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }), () =>
            Effect.flatMap(UserJoined.event({ name: "Ada" }), bus.publish)
          )
        )
        .pipe(spans.collect)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      const { envelope } = yield* joined.take
      assert.deepStrictEqual(
        spans.all.map(({ attributes, sampled, spanId, status, traceId }) => [
          `00-${traceId}-${spanId}-00`,
          sampled,
          attributes.size,
          status._tag
        ]),
        [[envelope.traceparent, false, 0, "Ended"]]
      )
    }))

  test("a publish leaves no span open, wherever it is interrupted", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }))
      const event = yield* TaskDone.event({ n: 1 })
      for (let steps = 0; steps < 40; steps++) {
        const fiber = yield* bus.publish(event).pipe(spans.collect, yieldingOften, Effect.forkChild)
        yield* Effect.repeat(Effect.yieldNow, { times: steps })
        yield* Fiber.interrupt(fiber)
      }
      const endings = spans.all.map(({ status }) => (status._tag === "Ended" ? status.exit._tag : "never"))
      assert.notInclude(endings, "never")
      assert.include(endings, "Failure")
    }))

  test("without a tracer there are no spans, and the trace context passes through handlers, retries and dead letters", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const ambient = yield* recorder<Tracer.AnySpan | undefined>()
      const joined = yield* record(Subscription.make(yield* unique("users"), { events: [UserJoined] }))
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), () =>
          Effect.gen(function* () {
            yield* ambient.push(Option.getOrUndefined(yield* Effect.serviceOption(Tracer.ParentSpan)))
            yield* bus.publish(yield* UserJoined.event({ name: "Ada" }))
            return yield* new Flaky({ n: 1 })
          })
        ).pipe(Handler.onFailure(soon(1)))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(within(elsewhere(true)))
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      assert.strictEqual((yield* letters.take).envelope.traceparent, traceparent)
      assert.deepStrictEqual(
        (yield* joined.takeN(2)).map(({ envelope }) => envelope.traceparent),
        [traceparent, traceparent]
      )
      for (const span of yield* ambient.takeN(2)) assert.strictEqual(span?._tag, "ExternalSpan")
    }))

  test("events in flight together carry a trace of their own each, or none", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }))
      const spans = Array.from({ length: 60 }, (_, n) =>
        n % 3 === 0
          ? undefined
          : { traceId: `${n}`.padStart(32, "a"), spanId: `${n}`.padStart(16, "b"), sampled: n % 2 === 0 }
      )
      yield* Effect.forEach(
        spans,
        (span, n) => {
          const publish = Effect.flatMap(TaskDone.event({ n }), (event) => bus.publish(event))
          return span === undefined ? publish : Effect.withParentSpan(publish, Tracer.externalSpan(span))
        },
        { concurrency: "unbounded", discard: true }
      )
      for (const { envelope, event } of yield* seen.takeN(spans.length)) {
        const span = spans[event.payload.n]
        const traceparent = span && `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
        assert.strictEqual(envelope.traceparent, traceparent)
      }
    }))

  test("without a trace, an event carries none", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }))
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.isUndefined((yield* seen.take).envelope.traceparent)
    }))

  test("an attempt that is interrupted has not failed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      const started = yield* Deferred.make<void>()
      const subscription = Subscription.make(yield* unique("tasks"), {
        events: [TaskDone],
        drainTimeout: "1 millis"
      })
      yield* Effect.gen(function* () {
        yield* bus.subscribe(
          Handler.make(subscription, () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
        )
        yield* bus.publish(yield* TaskDone.event({ n: 1 }))
        yield* bounded(Deferred.await(started))
      }).pipe(Effect.scoped, spans.collect)
      const process = yield* spans.ended("process")
      assert.isUndefined(process.attributes.get("error.type"))
      assert.deepInclude(failureOf(process), { _tag: "Interrupt" })
    }))
})
