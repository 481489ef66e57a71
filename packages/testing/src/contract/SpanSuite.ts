import { assert } from "@effect/vitest"
import { Broker, EventBus, EventType, FailurePolicy, Handler, Subscription, Traceparent } from "effect-eventbus"
import * as Effect from "effect/Effect"
import { deadLetters, record } from "./Recorder.ts"
import { SpanCollector } from "./SpanCollector.ts"
import { attributes, elsewhere, failureOf, linksOf, parentOf, placeOf, within } from "./SpanReading.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, UserJoined } from "./TestEvents.ts"

/** A number that no id has in it by chance. */
const secret = 4_711_471_147

export const spanSuite = suite("traces", (test) => {
  test("a publish, its handling and its settlement are spans, by the conventions of OpenTelemetry", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new SpanCollector()
      const event = yield* TaskDone.event({ n: secret }, { traceId: "1f0b5c1e-0000-4000-8000-00000000000b" })
      yield* Effect.gen(function* () {
        yield* bus.subscribe(Handler.make(Subscription.make(queue, { events: [TaskDone] }), () => Effect.void))
        yield* bus.publish(event)
        yield* spans.ended("ack")
      }).pipe(spans.collect)
      const [publish, process, ack] = yield* Effect.all([
        spans.ended("publish"),
        spans.ended("process"),
        spans.ended("ack")
      ])
      const { destination, system } = yield* Broker.Broker
      assert.match(system, /^[a-z][a-z0-9_.]*$/)
      const exchange = destination === "" ? "" : `${destination}:`
      const same = {
        "messaging.system": system,
        [`messaging.${system}.destination.routing_key`]: "task.done.normal",
        "messaging.message.id": event.eventId,
        "messaging.message.conversation_id": event.traceId,
        "eventbus.event_type": "task.done"
      }
      assert.deepStrictEqual([publish.name, publish.kind], [`publish ${exchange}task.done`, "producer"])
      assert.deepStrictEqual(attributes(publish), {
        ...same,
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": `${exchange}task.done.normal`,
        "messaging.destination.template": `${exchange}task.done`
      })
      assert.deepStrictEqual([process.name, process.kind], [`process ${queue}`, "consumer"])
      assert.deepStrictEqual(attributes(process), {
        ...same,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": `${exchange}task.done.normal:${queue}`,
        "eventbus.attempt": 1
      })
      assert.deepStrictEqual([ack.name, ack.kind], [`ack ${queue}`, "client"])
      assert.deepStrictEqual(attributes(ack), {
        ...same,
        "messaging.operation.name": "ack",
        "messaging.operation.type": "settle",
        "messaging.destination.name": `${exchange}task.done.normal:${queue}`
      })
      assert.deepStrictEqual([publish, process, ack].map(failureOf), [undefined, undefined, undefined])
      assert.notInclude(spans.text, String(secret))
    }))

  test("the handling of an event has a trace of its own, and is linked to its publish", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      // The span in which a subscription starts is not the parent of its handlings.
      yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] })).pipe(
        within(elsewhere(true)),
        spans.collect
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(Effect.withSpan("request"), spans.collect)
      const publish = yield* spans.ended("publish")
      const process = yield* spans.ended("process")
      const ack = yield* spans.ended("ack")
      assert.strictEqual(parentOf(publish), (yield* spans.ended("request")).spanId)
      assert.deepStrictEqual(linksOf(process), [placeOf(publish)])
      assert.isUndefined(parentOf(process))
      assert.notStrictEqual(process.traceId, publish.traceId)
      assert.strictEqual(parentOf(ack), process.spanId)
      assert.deepStrictEqual(linksOf(ack), [placeOf(publish)])
    }))

  test("producerSpan: parent makes one trace of an event's publish and its handling", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone], producerSpan: "parent" })).pipe(
        spans.collect
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(spans.collect)
      const publish = yield* spans.ended("publish")
      const process = yield* spans.ended("process")
      assert.strictEqual(parentOf(process), publish.spanId)
      assert.strictEqual(process.traceId, publish.traceId)
      assert.deepStrictEqual(linksOf(process), [placeOf(publish)])
      assert.strictEqual((yield* spans.ended("ack")).traceId, publish.traceId)
    }))

  test("the spans of a handler and of its publishes are children of the handling's span", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      const joined = yield* record(Subscription.make(yield* unique("users"), { events: [UserJoined] }))
      yield* bus
        .subscribe(
          Handler.make(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }), () =>
            Effect.gen(function* () {
              yield* Effect.withSpan(Effect.void, "work")
              yield* bus.publish(yield* UserJoined.event({ name: "Ada" }))
            })
          )
        )
        .pipe(spans.collect)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      const { envelope } = yield* joined.take
      const process = yield* spans.ended("process")
      const publish = yield* spans.ended("publish")
      assert.strictEqual(parentOf(yield* spans.ended("work")), process.spanId)
      assert.strictEqual(parentOf(publish), process.spanId)
      assert.strictEqual(envelope.traceparent, Traceparent.fromSpan(publish))
    }))

  test("every attempt is a span with its failure and a link to the publish, and so is the handling of the dead letter", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new SpanCollector()
      const letters = yield* deadLetters(queue).pipe(spans.collect)
      yield* bus
        .subscribe(
          Handler.make(Subscription.make(queue, { events: [TaskDone] }), (_, { attempt }) =>
            Effect.fail(new Flaky({ n: attempt }))
          ).pipe(Handler.onFailure(soon(1)))
        )
        .pipe(spans.collect)
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(spans.collect)
      const letter = yield* letters.take
      yield* spans.ended(`ack dlq.${queue}`)
      const publish = yield* spans.ended("publish")
      assert.strictEqual(letter.envelope.traceparent, Traceparent.fromSpan(publish))
      const handlings = spans.named("process")
      const told = handlings.map((span) => [
        span.name,
        span.attributes.get("eventbus.attempt"),
        span.attributes.get("error.type"),
        ...linksOf(span)
      ])
      assert.deepStrictEqual(told, [
        [`process ${queue}`, 1, "Flaky", placeOf(publish)],
        [`process ${queue}`, 2, "Flaky", placeOf(publish)],
        [`process dlq.${queue}`, 1, undefined, placeOf(publish)]
      ])
      const failures = handlings.map(failureOf)
      assert.isUndefined(failures[2])
      for (const [i, failure] of failures.slice(0, 2).entries()) {
        assert.instanceOf(failure, Error)
        if (failure instanceof Error)
          assert.deepStrictEqual([failure.name, failure.message], ["Flaky", `failed at ${i + 1}`])
      }
      for (const name of ["retry", "dead_letter"]) {
        const settle = yield* spans.ended(name)
        assert.strictEqual(settle.name, `${name} ${queue}`)
        assert.strictEqual(settle.attributes.get("eventbus.reason"), "Flaky")
        assert.deepStrictEqual(linksOf(settle), [placeOf(publish)])
      }
    }))

  test("the handling of a replayed dead letter is linked to the publish of the event", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new SpanCollector()
      const subscription = Subscription.make(queue, { events: [TaskDone] })
      yield* bus
        .subscribe(
          Handler.make(subscription, () => Effect.fail(new Flaky({ n: 1 }))).pipe(
            Handler.onFailure(FailurePolicy.deadLetter)
          )
        )
        .pipe(
          Effect.andThen(Effect.flatMap(TaskDone.event({ n: 1 }), bus.publish)),
          Effect.andThen(spans.ended("dead_letter")),
          Effect.scoped,
          spans.collect
        )
      const again = new SpanCollector()
      yield* record(subscription).pipe(again.collect)
      yield* bus.deadLetters(queue).replay()
      const process = yield* again.ended("process")
      assert.deepStrictEqual(linksOf(process), [placeOf(yield* spans.ended("publish"))])
      assert.isUndefined(process.attributes.get("error.type"))
    }))

  test("a body that cannot be decoded has no span of a handling, and one of its settlement with the reason", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new SpanCollector()
      yield* record(Subscription.make(queue, { events: [TaskDone], patterns: ["user.#"] })).pipe(
        within(elsewhere(true)),
        spans.collect
      )
      yield* bus.publish(yield* UserJoined.event({ name: "Ada" })).pipe(spans.collect)
      const settle = yield* spans.ended("dead_letter")
      assert.strictEqual(settle.attributes.get("eventbus.reason"), "UnknownEventType")
      assert.deepStrictEqual(linksOf(settle), [placeOf(yield* spans.ended("publish"))])
      assert.isUndefined(parentOf(settle))
      assert.deepStrictEqual(spans.named("process"), [])
    }))

  test("a failed publish is a span with its error; an event that no queue receives is no error", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new SpanCollector()
      const event = yield* EventType.untyped("no.queue").event({})
      yield* bus.publish(event).pipe(spans.collect)
      yield* bus.publish(event, { unroutable: "fail" }).pipe(Effect.flip, spans.collect)
      const [ignored, failed] = spans.named("publish")
      assert.isDefined(ignored)
      assert.isDefined(failed)
      assert.deepStrictEqual([failureOf(ignored), ignored.attributes.get("error.type")], [undefined, undefined])
      assert.strictEqual(failed.attributes.get("error.type"), "Unroutable")
      assert.instanceOf(failureOf(failed), Error)
    }))

  test("neither a payload nor a credential is in any span", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("users")
      const spans = new SpanCollector()
      const letters = yield* deadLetters(queue).pipe(spans.collect)
      yield* bus
        .subscribe(
          Handler.make(Subscription.make(queue, { events: [UserJoined] }), () =>
            Effect.die(new RangeError("cannot reach amqp://bus:s3cret@host/"))
          ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
        )
        .pipe(spans.collect)
      yield* bus.publish(yield* UserJoined.event({ name: "t0p-s3cret" })).pipe(spans.collect)
      yield* letters.take
      yield* spans.ended(`ack dlq.${queue}`)
      assert.include(spans.text, "RangeError")
      assert.notMatch(spans.text, /s3cret|guest/)
    }))
})
