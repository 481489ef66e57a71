import { assert } from "@effect/vitest"
import { Broker, EventBus, EventType, FailurePolicy, Handler, Subscription, Traceparent } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import { bounded } from "./Patience.ts"
import { deadLetters, record, recorder } from "./Recorder.ts"
import { Collector } from "./SpanCollector.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, UserJoined } from "./TestEvents.ts"

const attributes = ({ attributes }: Tracer.Span) => Object.fromEntries(attributes)
const parentOf = (span: Tracer.Span) => Option.getOrUndefined(span.parent)?.spanId
const linksOf = (span: Tracer.Span) => span.links.map(({ span: { spanId, traceId } }) => `${traceId}/${spanId}`)
const placeOf = ({ spanId, traceId }: Tracer.AnySpan) => `${traceId}/${spanId}`

/** What is of interest in the way a span ended. */
const failureOf = ({ status }: Tracer.Span) => {
  assert.strictEqual(status._tag, "Ended")
  if (status._tag !== "Ended" || status.exit._tag === "Success") return undefined
  const [reason] = status.exit.cause.reasons
  return reason?._tag === "Fail" && reason.error instanceof Error ? reason.error : reason
}

/** A span that was started in another process. */
const elsewhere = (sampled: boolean) =>
  Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled })

/** A fiber that yields before nearly every step; with less than three it takes none. */
const yieldingOften = Effect.provideService(Scheduler.MaxOpsBeforeYield, 3)

const within = (span: Tracer.AnySpan) => Effect.provideService(Tracer.ParentSpan, span)

export const tracing = suite("traces", (test) => {
  test("a publish, its handling and its settlement are spans, as OpenTelemetry would have them", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new Collector()
      const event = yield* TaskDone.event({ n: 4711 }, { traceId: "1f0b5c1e-0000-4000-8000-00000000000b" })
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
      assert.notInclude(spans.text, "4711")
    }))

  test("the handling of an event has a trace of its own, and is linked to its publish", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector()
      // Whatever span the subscription was started in, it is not what the handlings belong to.
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
      const spans = new Collector()
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

  test("what happens in a handler, and what it publishes, belongs to the span of the handling", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector()
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

  test("every attempt is a span that says how it failed, and points at the publish, as does the dead letter", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new Collector()
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
      const spans = new Collector()
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
      const again = new Collector()
      yield* record(subscription).pipe(again.collect)
      yield* bus.deadLetters(queue).replay()
      const process = yield* again.ended("process")
      assert.deepStrictEqual(linksOf(process), [placeOf(yield* spans.ended("publish"))])
      assert.isUndefined(process.attributes.get("error.type"))
    }))

  test("a body that cannot be decoded has no handling, but a settlement that says why", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new Collector()
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

  test("a publish that fails is an error with its reason; what no queue wants is none", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector()
      const event = yield* EventType.untyped("nobody.asks").event({})
      yield* bus.publish(event).pipe(spans.collect)
      yield* bus.publish(event, { unroutable: "fail" }).pipe(Effect.flip, spans.collect)
      const [ignored, failed] = spans.named("publish")
      assert.isDefined(ignored)
      assert.isDefined(failed)
      assert.deepStrictEqual([failureOf(ignored), ignored.attributes.get("error.type")], [undefined, undefined])
      assert.strictEqual(failed.attributes.get("error.type"), "Unroutable")
      assert.instanceOf(failureOf(failed), Error)
    }))

  test("a trace that is not sampled has no spans, and is passed on as it is", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector()
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

  test("spans that a level leaves out are not made", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector()
      const off = Effect.provideService(Tracer.MinimumTraceLevel, "None")
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] })).pipe(
        off,
        spans.collect
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(off, spans.collect)
      assert.isUndefined((yield* seen.take).envelope.traceparent)
      assert.deepStrictEqual(spans.all, [])
    }))

  test("a span that its tracer does not sample tells nothing, and the handling has none", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector(false)
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] })).pipe(spans.collect)
      yield* bus.publish(yield* TaskDone.event({ n: 1 })).pipe(spans.collect)
      assert.match((yield* seen.take).envelope.traceparent ?? "", /-00$/)
      assert.deepStrictEqual(
        spans.all.map(({ attributes, sampled, status }) => [sampled, attributes.size, status._tag]),
        [[false, 0, "Ended"]]
      )
    }))

  test("a handling that its tracer does not sample is one span, which what the handler publishes goes on from", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector(false)
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

  test("a publish that is interrupted leaves no span open, wherever that happens", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector()
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

  test("without a tracer there are no spans: where the trace stands goes through handlers, retries and dead letters", () =>
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

  test("events that are in flight together carry each its own trace, or none", () =>
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

  test("without a trace, none is made up", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }))
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.isUndefined((yield* seen.take).envelope.traceparent)
    }))

  test("an attempt that is interrupted has not failed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const spans = new Collector()
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

  test("neither a payload nor a credential is in any span", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("users")
      const spans = new Collector()
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
