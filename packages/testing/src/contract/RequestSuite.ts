import { assert } from "@effect/vitest"
import { Broker, EventBus, FailurePolicy, Handler, Reply, Request, RequestError, Subscription } from "effect-eventbus"
import type { Envelope } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { bounded, eventually } from "./Patience.ts"
import { readings } from "./Readings.ts"
import { deadLetters, messages, record, recorder } from "./Recorder.ts"
import { SpanCollector } from "./SpanCollector.ts"
import { linksOf, parentOf, placeOf } from "./SpanReading.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, UserJoined } from "./TestEvents.ts"

class TooOdd extends Schema.TaggedError<TooOdd>()("TooOdd", { n: Schema.Int }) {}
class TooLate extends Schema.TaggedError<TooLate>()("TooLate", { at: Schema.DateTimeUtcFromString }) {}

const Halve = Request.make("number.halve", {
  payload: Schema.Struct({ n: Schema.Int }),
  success: Schema.Struct({ half: Schema.Int }),
  error: Schema.Union([TooOdd, TooLate])
})
/** Halve as another team declares it, whose reply has another shape. */
const Other = Request.make("number.halve", { payload: Schema.Struct({ n: Schema.Int }), success: Schema.String })
/** Halve as another team declares it, whose payload has another shape. */
const Wrong = Request.make("number.halve", { payload: Schema.Struct({ number: Schema.String }) })

const timeout = "1 minute"
const halve = (n: number, options: Partial<Request.CallOptions> = {}) =>
  Request.call(Halve, { n }, { timeout, ...options })

const halved = ({ payload: { n } }: { readonly payload: { readonly n: number } }) =>
  n % 2 === 0 ? Effect.succeed({ half: n / 2 }) : Effect.fail(new TooOdd({ n }))

/** Replies to requests, in a queue of its own. */
const responder = Effect.fnUntraced(function* <R = never>(
  f: Parameters<
    typeof Request.handle<
      "number.halve",
      (typeof Halve)["payload"],
      (typeof Halve)["success"],
      (typeof Halve)["error"],
      R
    >
  >[2] = halved,
  options: Subscription.Options = {}
) {
  const queue = yield* unique("halving")
  const subscription = Subscription.make(queue, { events: [Halve], concurrency: 16, ...options })
  return { queue, handler: Request.handle(subscription, Halve, f) }
})

const respond = Effect.fnUntraced(function* (...args: Parameters<typeof responder<never>>) {
  const { handler, queue } = yield* responder(...args)
  const { subscribe } = yield* EventBus.EventBus
  yield* subscribe(handler)
  return queue
})

/** Returns the reason why a call was not answered. */
const reasonOf = <A, E, R>(call: Effect.Effect<A, E | RequestError.RequestError, R>) =>
  Effect.flatMap(Effect.flip(bounded(call)), (error) =>
    error instanceof RequestError.RequestError ? Effect.succeed(error.reason) : Effect.die(error)
  )

export const requestSuite = suite("requesting", (test, { bus: busOf }) => {
  test("a request is answered by the value of its handler, or by its typed error, which is the same class", () =>
    Effect.gen(function* () {
      const queue = yield* respond()
      assert.deepStrictEqual(yield* halve(4), { half: 2 })
      const error = yield* Effect.flip(halve(5))
      assert.instanceOf(error, TooOdd)
      assert.strictEqual(error.n, 5)
      assert.deepStrictEqual(yield* halve(6).pipe(Effect.catchTag("TooOdd", () => Effect.succeed({ half: 0 }))), {
        half: 3
      })
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("a request without schemas for its reply is answered by nothing", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Forget = Request.make("user.forget", { payload: Schema.Struct({ id: Schema.String }) })
      const subscription = Subscription.make(yield* unique("forgetting"), { events: [Forget] })
      yield* bus.subscribe(Request.handle(subscription, Forget, () => Effect.void))
      assert.isUndefined(yield* Request.call(Forget, { id: "1" }, { timeout }))
    }))

  test("many requests at once get their own replies, through one queue", () =>
    Effect.gen(function* () {
      yield* respond(({ payload: { n } }) =>
        Effect.as(n % 3 === 0 ? Effect.sleep("5 millis") : Effect.yieldNow, { half: n })
      )
      const numbers = Array.from({ length: 200 }, (_, n) => n)
      const replies = yield* Effect.forEach(numbers, (n) => halve(n), { concurrency: 64 })
      assert.deepStrictEqual(
        replies.map(({ half }) => half),
        numbers
      )
    }))

  test("a request that no queue receives fails at once", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(halve(4, { timeout: "1 hour" }))
      assert.strictEqual(reason._tag, "NoResponder")
      assert.isFalse(reason.isRetryable)
    }))

  test("a request that is not answered in time fails, and its late reply is dropped and counted", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const requests = yield* recorder<Envelope.Envelope>()
      yield* respond((event, { envelope }) =>
        event.payload.n === 2 ? Effect.andThen(requests.push(envelope), Effect.never) : halved(event)
      )
      const reason = yield* reasonOf(halve(2, { timeout: "3 seconds" }))
      assert.strictEqual(reason._tag, "NoReply")
      assert.isTrue(reason._tag === "NoReply" && reason.delivered)
      assert.isTrue(reason.isRetryable)
      const { correlationId, replyTo = "", ...request } = yield* requests.take
      const body = Reply.encode({ _tag: "Success", value: { half: -1 } })
      const late: Envelope.Envelope = { ...request, body, correlationId }
      yield* broker.reply(replyTo, late)
      yield* eventually(readings, (all) => all["eventbus_late_replies_total"] === 1)
      assert.deepStrictEqual(yield* halve(4), { half: 2 })
    }))

  test("the deadline travels: a request whose time is over is not handled, and is no dead letter", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<number>()
      const { handler, queue } = yield* responder((event) => Effect.andThen(seen.push(event.payload.n), halved(event)))
      yield* bus.declare(handler.subscription)
      const reason = yield* reasonOf(halve(2, { timeout: "3 seconds" }))
      assert.strictEqual(reason._tag, "NoReply")
      assert.strictEqual(yield* messages(queue), 1)
      yield* bus.subscribe(handler)
      assert.deepStrictEqual(yield* halve(4), { half: 2 })
      assert.strictEqual(yield* seen.take, 4)
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("a handler that is past the deadline of its request is interrupted", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const queue = yield* respond(() =>
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      )
      assert.strictEqual((yield* reasonOf(halve(2, { timeout: "3 seconds" })))._tag, "NoReply")
      yield* bounded(Deferred.await(interrupted))
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("an event that is old when it is sent as a request has the time that the request says", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* respond()
      const event = yield* Halve.event({ n: 8 }, { timestamp: (yield* TaskDone.event({ n: 1 })).timestamp })
      yield* Effect.sleep("60 millis")
      const answer = yield* bus.request(event, { timeout: "1 minute" })
      assert.deepStrictEqual(answer, { _tag: "Success", value: { half: 4 } })
    }))

  test("a defect is retried by its policy, and then the requester is told at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const attempts = yield* recorder<number>()
      const { handler, queue } = yield* responder((_, { attempt }) =>
        Effect.andThen(attempts.push(attempt), Effect.die(new Error("the disk is full")))
      )
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(handler.pipe(Handler.onFailure(soon(1))))
      const reason = yield* reasonOf(halve(4, { timeout: "1 hour" }))
      assert.strictEqual(reason._tag, "ResponderDied")
      assert.match(reason.message, /the disk is full/)
      assert.deepStrictEqual(yield* attempts.takeN(2), [1, 2])
      assert.deepStrictEqual((yield* letters.take).event.payload, { n: 4 })
    }))

  test("a retry that would come after the deadline is none: the requester is told at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { handler, queue } = yield* responder(() => Effect.die("broken"))
      yield* bus.subscribe(handler.pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced("2 hours")))))
      assert.strictEqual((yield* reasonOf(halve(4, { timeout: "1 hour" })))._tag, "ResponderDied")
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 1)
    }))

  test("what a later step of the handler fails with reaches the requester, too", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { handler } = yield* responder(() => Effect.never)
      yield* bus.subscribe(
        handler.pipe(
          Handler.timeout("20 millis"),
          Handler.onFailure(FailurePolicy.tags({ TimeoutError: FailurePolicy.discard }))
        )
      )
      const reason = yield* reasonOf(halve(4))
      assert.strictEqual(reason._tag, "ResponderDied")
      assert.match(reason.message, /TimeoutError/)
    }))

  test("an attempt that failed is forgotten when the next one answers", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { handler } = yield* responder((event, { attempt }) =>
        attempt === 1 ? Effect.die(new Flaky({ n: 1 })) : halved(event)
      )
      yield* bus.subscribe(handler.pipe(Handler.onFailure(soon(2))))
      assert.deepStrictEqual(yield* halve(10), { half: 5 })
    }))

  test("a request that its responder cannot decode is answered at once", () =>
    Effect.gen(function* () {
      const queue = yield* respond()
      const reason = yield* reasonOf(Request.call(Wrong, { number: "four" }, { timeout: "1 hour" }))
      assert.strictEqual(reason._tag, "ResponderDied")
      assert.match(reason.message, /InvalidPayload.*payload\.n/)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 1)
    }))

  test("a reply that the requester cannot decode is told by its place", () =>
    Effect.gen(function* () {
      yield* respond()
      const reason = yield* reasonOf(Request.call(Other, { n: 2 }, { timeout: "1 hour" }))
      assert.strictEqual(reason._tag, "InvalidReply")
      assert.match(reason.message, /the success schema of number\.halve refuses success/)
      const never = yield* reasonOf(Request.call(Other, { n: 3 }, { timeout: "1 hour" }))
      assert.match(never.message, /the error schema of number\.halve refuses error/)
    }))

  test("a reply that its own schema refuses is a defect of the handler", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { handler } = yield* responder(() => Effect.succeed({ half: 0.5 }))
      yield* bus.subscribe(handler.pipe(Handler.onFailure(FailurePolicy.deadLetter)))
      const reason = yield* reasonOf(halve(1))
      assert.strictEqual(reason._tag, "ResponderDied")
      assert.match(reason.message, /refuses success\.half/)
    }))

  test("another subscription of the same request handles it as an event, and answers nothing", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(
        Handler.make(Subscription.make(yield* unique("audit"), { events: [Halve] }), () => Effect.die("broken")).pipe(
          Handler.onFailure(FailurePolicy.discard)
        )
      )
      yield* respond((event) => Effect.andThen(Effect.sleep("50 millis"), halved(event)))
      assert.deepStrictEqual(yield* halve(4), { half: 2 })
    }))

  test("a request that is published as an event is handled, and needs no reply", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<number>()
      const queue = yield* respond((event) => Effect.andThen(seen.push(event.payload.n), halved(event)))
      yield* bus.publish(yield* Halve.event({ n: 4 }))
      assert.strictEqual(yield* seen.take, 4)
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("a call that is interrupted leaves nothing behind", () =>
    Effect.gen(function* () {
      const started = yield* recorder<number>()
      yield* respond(
        (event) => Effect.andThen(started.push(event.payload.n), event.payload.n === 2 ? Effect.never : halved(event)),
        { drainTimeout: 0 }
      )
      yield* halve(4)
      yield* started.take
      const fiber = yield* Effect.forkChild(halve(2))
      yield* started.take
      yield* bounded(Fiber.interrupt(fiber))
      const { eventbus_requests_waiting: waiting, ...others } = yield* readings
      assert.strictEqual(waiting, 0)
      assert.strictEqual(others['eventbus_requests_total{outcome="Interrupted"}'], 1)
    }))

  test("health tells of the calls that wait, and of the queue that their replies come to", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const gate = yield* Deferred.make<void>()
      const replyTo = yield* recorder<string | undefined>()
      yield* respond((event, { envelope }) =>
        Effect.andThen(Effect.andThen(replyTo.push(envelope.replyTo), Deferred.await(gate)), halved(event))
      )
      assert.notProperty((yield* bus.health).details, "requestsWaiting")
      const calls = yield* Effect.forkChild(Effect.all([halve(2), halve(4)], { concurrency: 2 }))
      const [replyQueue] = yield* replyTo.takeN(2)
      const { details, status } = yield* bus.health
      assert.strictEqual(status, "healthy")
      assert.deepInclude(details, { requestsWaiting: 2, replyQueue })
      yield* Deferred.succeed(gate, undefined)
      yield* bounded(Fiber.join(calls))
      assert.deepInclude((yield* bus.health).details, { requestsWaiting: 0, replyQueue })
    }))

  test("the span of a request is linked to the handling that replied to it", () =>
    Effect.gen(function* () {
      const spans = new SpanCollector()
      yield* respond().pipe(spans.collect)
      yield* halve(4).pipe(spans.collect)
      const request = yield* spans.ended("request")
      const process = yield* spans.ended("process")
      assert.deepStrictEqual(linksOf(request), [placeOf(process)])
      assert.strictEqual(parentOf(yield* spans.ended("publish")), request.spanId)
    }))

  test("calls that wait when their bus is closed fail at once, and so do later ones", () =>
    Effect.gen(function* () {
      const started = yield* recorder<number>()
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.fresh(busOf()), scope)
      yield* Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const { handler } = yield* responder(({ payload }) => Effect.andThen(started.push(payload.n), Effect.never), {
          drainTimeout: 0
        })
        yield* bus.subscribe(handler)
        const fiber = yield* Effect.forkChild(Effect.flip(halve(2)))
        yield* started.take
        yield* Effect.forkDetach(Scope.close(scope, Exit.void))
        const error = yield* bounded(Fiber.join(fiber))
        assert.strictEqual(error._tag === "RequestError" && error.reason._tag, "Closed")
        assert.strictEqual((yield* reasonOf(halve(2)))._tag, "Closed")
      }).pipe(Effect.provideContext(context))
    }))

  test("a bus has one queue for its replies, which is deleted with the bus", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const replyTo = yield* recorder<string | undefined>()
      yield* respond((event, { envelope }) => Effect.andThen(replyTo.push(envelope.replyTo), halved(event)))
      const scope = yield* Scope.make()
      // It is on the same broker, and has a life of its own.
      const other = yield* Layer.buildWithScope(Layer.fresh(EventBus.layer), scope)
      yield* Effect.all([halve(2), halve(4)]).pipe(Effect.provideContext(other))
      const [queue, again] = yield* replyTo.takeN(2)
      assert.strictEqual(again, queue)
      assert.strictEqual(yield* messages(queue ?? ""), 0)
      yield* Scope.close(scope, Exit.void)
      yield* eventually(bus.queueInfo(queue ?? ""), Option.isNone)
      yield* halve(6)
      assert.notStrictEqual(yield* replyTo.take, queue)
    }))

  test("a handler that requests something itself passes on its trace", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const parents = yield* recorder<string | undefined>()
      yield* respond((event) => Effect.andThen(parents.push(event.parentEventId), halved(event)))
      const users = Subscription.make(yield* unique("users"), { events: [UserJoined] })
      yield* bus.subscribe(Handler.make(users, () => halve(2)))
      const event = yield* UserJoined.event({ name: "Ada" })
      yield* bus.publish(event)
      assert.strictEqual(yield* parents.take, event.eventId)
    }))

  test("a reply whose requester is gone is dropped and counted, and its request is done", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const started = yield* recorder<number>()
      const queue = yield* respond(({ payload: { n } }) =>
        Effect.as(Effect.andThen(started.push(n), Deferred.await(gate)), { half: 0 })
      )
      const scope = yield* Scope.make()
      const other = yield* Layer.buildWithScope(Layer.fresh(EventBus.layer), scope)
      const call = yield* Effect.forkChild(Effect.exit(Effect.provideContext(halve(2), other)))
      yield* started.take
      yield* Scope.close(scope, Exit.void)
      yield* bounded(Fiber.join(call))
      yield* Deferred.succeed(gate, undefined)
      yield* eventually(readings, (all) => all[`eventbus_undelivered_replies_total{queue="${queue}"}`] === 1)
      yield* eventually(readings, (all) => all[`eventbus_handled_total{queue="${queue}"}`] === 1)
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("asking: an event is answered by the first event of the types that names it as its parent", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(
        Handler.make(Subscription.make(yield* unique("greeting"), { events: [UserJoined] }), ({ payload }) =>
          Effect.flatMap(TaskDone.event({ n: payload.name.length }), (event) => bus.publish(event))
        )
      )
      const answers = yield* Effect.forEach(
        ["A", "Be", "Cie"],
        (name) =>
          Effect.flatMap(UserJoined.event({ name }), (event) => bus.ask(event, [TaskDone], { timeout: "1 minute" })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers.map(({ payload }) => payload.n),
        [1, 2, 3]
      )
    }))

  test("asking: fails at once where no queue receives the question, and in time where no answer comes", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const event = yield* UserJoined.event({ name: "Ada" })
      assert.strictEqual((yield* reasonOf(bus.ask(event, [TaskDone], { timeout: "1 hour" })))._tag, "NoResponder")
      yield* record(Subscription.make(yield* unique("silent"), { events: [UserJoined] }))
      assert.strictEqual((yield* reasonOf(bus.ask(event, [TaskDone], { timeout: "200 millis" })))._tag, "NoReply")
    }))

  test("a timeout that cannot be meant is a RangeError", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const event = yield* Halve.event({ n: 1 })
      for (const wrong of [0, -1, Number.NaN, "Infinity", "25 days"] as const) {
        assert.throws(() => halve(1, { timeout: wrong }), RangeError, "timeout")
        assert.throws(() => bus.request(event, { timeout: wrong }), RangeError, "timeout")
        assert.throws(() => bus.ask(event, [TaskDone], { timeout: wrong }), RangeError, "timeout")
      }
      assert.throws(() => halve(1, { routingKey: "" }), RangeError, "routing key")
    }))
})
