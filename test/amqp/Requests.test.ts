import type { AmqpOptions } from "@effect-eventbus/amqp"
import * as Topology from "@effect-eventbus/amqp/AmqpTopology"
import { assert, describe, it } from "@effect/vitest"
import type { ConfirmChannel, ConsumeMessage } from "amqplib"
import { Deferred, Effect, Fiber, Metric, Redacted, Schema } from "effect"
import { EventBus, Request, RequestError, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import { readings } from "../../packages/testing/src/contract/Readings.ts"
import { TcpProxy } from "../lab/proxy/TcpProxy.ts"
import { eventually } from "../support/eventually.ts"
import * as Rig from "./support/Rig.ts"

const url = inject("rabbitUrl") ?? ""

class TooOdd extends Schema.TaggedError<TooOdd>()("TooOdd", { n: Schema.Int }) {}

const Halve = Request.make("number.halve", {
  payload: Schema.Struct({ n: Schema.Int }),
  success: Schema.Struct({ half: Schema.Int }),
  error: TooOdd
})

type Bus = EventBus.EventBus["Service"]

const halve = (bus: Bus, n: number, timeout: Request.CallOptions["timeout"] = "1 minute") =>
  Request.call(Halve, { n }, { timeout }).pipe(Effect.provideService(EventBus.EventBus, bus))

const responder = (queue: string) =>
  Request.handle(Subscription.make(queue, { events: [Halve] }), Halve, ({ payload: { n } }) =>
    n % 2 === 0 ? Effect.succeed({ half: n / 2 }) : Effect.fail(new TooOdd({ n }))
  )

/** A request in the platform's format, as a client in any language writes it. */
const wire = (payload: object) =>
  JSON.stringify({
    event_id: crypto.randomUUID(),
    event_type: "number.halve",
    timestamp: new Date().toISOString(),
    payload
  })

const bodyOf = ({ content }: ConsumeMessage): unknown => JSON.parse(content.toString())

/** Consumes with raw amqplib, and returns the next messages one by one. */
const consume = (channel: ConfirmChannel, queue: string, options: { readonly noAck: boolean }) =>
  Effect.promise(async () => {
    const got: Array<ConsumeMessage> = []
    await channel.consume(queue, (message) => message !== null && got.push(message), options)
    return eventually(
      `a reply in ${queue}`,
      Effect.sync(() => got.length > 0)
    ).pipe(
      Effect.orDie,
      Effect.flatMap(() => Effect.fromNullishOr(got.shift())),
      Effect.orDie
    )
  })

/** A way to the broker that can be cut. */
const proxied = (rig: Rig.Rig, options: AmqpOptions.Options = {}) =>
  Effect.gen(function* () {
    const tcp = yield* Effect.acquireRelease(
      Effect.promise(() => TcpProxy.open(Number(new URL(rig.url).port || 5672))),
      (tcp) => Effect.promise(() => tcp.close())
    )
    const there = new URL(rig.url)
    there.port = `${tcp.port}`
    there.hostname = "127.0.0.1"
    return { tcp, bus: yield* rig.bus({ url: Redacted.make(there.href), heartbeat: "2 seconds", ...options }) }
  })

describe.skipIf(url === "")("Requests on RabbitMQ", () => {
  it.live("are made by raw amqplib with a queue of its own, whose correlation id comes back", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "requests")
      const bus = yield* rig.bus()
      yield* bus.subscribe(responder(rig.queue("halving")))
      const { channel, publish } = yield* rig.raw
      const { queue } = yield* Effect.promise(() => channel.assertQueue("", { exclusive: true }))
      const next = yield* consume(channel, queue, { noAck: true })
      const ask = (payload: object, correlationId?: string) =>
        publish(rig.exchange, "number.halve.normal", wire(payload), {
          replyTo: queue,
          ...(correlationId === undefined ? {} : { correlationId })
        })
      yield* ask({ n: 8 }, "mine-1")
      const reply = yield* next
      assert.deepStrictEqual(bodyOf(reply), { payload: { success: { half: 4 } } })
      assert.strictEqual(reply.properties.correlationId, "mine-1")
      assert.strictEqual(reply.properties.contentType, "application/json")
      yield* ask({ n: 7 }, "mine-2")
      const error = yield* next
      assert.deepStrictEqual(bodyOf(error), { payload: { error: { _tag: "TooOdd", n: 7 } } })
      assert.strictEqual(error.properties.correlationId, "mine-2")
      yield* ask({ number: 7 })
      const refused = yield* next
      assert.deepStrictEqual(bodyOf(refused), {
        payload: { died: "InvalidPayload: the schema of number.halve refuses payload.n" }
      })
      assert.isUndefined(refused.properties.correlationId)
    })
  )

  it.live("are made by raw amqplib by RabbitMQ's direct reply-to", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "requests")
      const bus = yield* rig.bus()
      yield* bus.subscribe(responder(rig.queue("halving")))
      const { channel, publish } = yield* rig.raw
      const direct = "amq.rabbitmq.reply-to"
      const next = yield* consume(channel, direct, { noAck: true })
      yield* publish(rig.exchange, "number.halve.normal", wire({ n: 6 }), { replyTo: direct, correlationId: "7" })
      const reply = yield* next
      assert.deepStrictEqual(bodyOf(reply), { payload: { success: { half: 3 } } })
      assert.strictEqual(reply.properties.correlationId, "7")
    })
  )

  it.live("are answered by raw amqplib, also badly", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "requests")
      const bus = yield* rig.bus()
      const { channel } = yield* rig.raw
      const { queue } = yield* Effect.promise(() => channel.assertQueue("", { exclusive: true }))
      yield* Effect.promise(() => channel.bindQueue(queue, rig.exchange, "number.halve.*"))
      const answers = [
        `{"payload":{"success":{"half":21}}}`,
        `{"payload":{"error":{"_tag":"TooOdd","n":3}}}`,
        `{"payload":{"died":"no paper"}}`,
        `{"payload":{"success":{"half":"many"}}}`,
        `{"success":{"half":1}}`,
        `{"payload":{"success":{"half":1},"error":{}}}`,
        `[]`,
        "\u0000"
      ]
      const requests: Array<ConsumeMessage> = []
      yield* Effect.promise(() =>
        channel.consume(
          queue,
          (message) => {
            if (message === null) return
            requests.push(message)
            const { correlationId, replyTo } = message.properties
            channel.sendToQueue(replyTo, Buffer.from(answers.shift() ?? ""), { correlationId })
          },
          { noAck: true }
        )
      )
      assert.deepStrictEqual(yield* halve(bus, 42), { half: 21 })
      const [request] = requests
      assert.strictEqual(request?.properties.expiration, undefined, "the broker would dead-letter it")
      assert.approximately(JSON.parse(`${request?.content}`).ttl_seconds, 60, 1)
      const error = yield* Effect.flip(halve(bus, 3))
      assert.instanceOf(error, TooOdd)
      const reasons = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () =>
        Effect.map(Effect.flip(halve(bus, 1)), (error) => (error._tag === "RequestError" ? error.reason : undefined))
      )
      assert.deepStrictEqual(
        reasons.map((reason) => reason?._tag),
        ["ResponderDied", ...Array.from({ length: 5 }, () => "InvalidReply" as const)]
      )
      assert.match(reasons[0]?.message ?? "", /no paper/)
    })
  )

  it.live("survive a cut of every connection between question and answer", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "requests")
      const requester = yield* proxied(rig)
      const answering = yield* proxied(rig)
      const started = yield* Deferred.make<string>()
      const gate = yield* Deferred.make<void>()
      const queue = rig.queue("halving")
      yield* answering.bus.subscribe(
        Request.handle(Subscription.make(queue, { events: [Halve] }), Halve, ({ payload }, { envelope }) =>
          Deferred.succeed(started, envelope.replyTo ?? "").pipe(
            Effect.andThen(Deferred.await(gate)),
            Effect.as({ half: payload.n / 2 })
          )
        )
      )
      const call = yield* Effect.forkChild(halve(requester.bus, 10, "100 seconds"))
      const replyTo = yield* Deferred.await(started)
      // The answer goes into the queue of a requester that is away.
      requester.tcp.cut()
      yield* Effect.promise(() => requester.tcp.refuse())
      answering.tcp.cut()
      yield* Deferred.succeed(gate, undefined)
      const direct = yield* rig.bus()
      yield* eventually(
        "the answer waits",
        Effect.map(direct.queueInfo(replyTo), (info) => info._tag === "Some" && info.value.messages > 0)
      )
      yield* Effect.promise(() => requester.tcp.heal())
      assert.deepStrictEqual(yield* Fiber.join(call), { half: 5 })
    })
  )

  it.live("fail in time where there is no broker, from the call on", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "requests")
      // A publish would fail long after its test has.
      const { bus, tcp } = yield* proxied(rig, { publishTimeout: "1 hour" })
      tcp.blackHole()
      const error = yield* Effect.flip(halve(bus, 2, "500 millis"))
      assert.instanceOf(error, RequestError.RequestError)
      assert.deepInclude(error.reason, { _tag: "NoReply", delivered: false })
    })
  )

  it.live("have a queue for replies that outlives a connection by a minute", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "requests")
      const declaration = Topology.workQueue(
        {
          name: "reply.1",
          patterns: [],
          concurrency: 1,
          deadLetterQueue: undefined,
          messageTtl: undefined,
          priorities: false,
          temporary: true,
          reconnectWithin: 60_000
        },
        rig.settings()
      )
      assert.deepStrictEqual(declaration, {
        name: "reply.1",
        durable: true,
        exclusive: false,
        arguments: { "x-queue-type": "quorum", "x-expires": 60_000 }
      })
    })
  )

  it.live("are counted", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "requests")
      const bus = yield* rig.bus()
      const queue = rig.queue("halving")
      yield* bus.subscribe(responder(queue))
      yield* halve(bus, 4)
      yield* Effect.flip(halve(bus, 5))
      const replies = `eventbus_replies_total{queue="${queue}"}`
      // A reply may arrive before its responder knows that the broker has it.
      yield* eventually(
        "both replies are counted",
        Effect.map(readings, (all) => all[replies] === 2)
      )
      const all = yield* readings
      assert.include(all, {
        'eventbus_requests_total{outcome="Success"}': 1,
        'eventbus_requests_total{outcome="Error"}': 1,
        eventbus_requests_waiting: 0,
        eventbus_request_seconds: 2,
        eventbus_late_replies_total: 0,
        [replies]: 2,
        [`eventbus_undelivered_replies_total{queue="${queue}"}`]: 0
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
