import { Parser } from "@asyncapi/parser"
import { AmqpOptions } from "@effect-eventbus/amqp"
import { BodyPlan, Compression } from "@effect-eventbus/bodies"
import { Flow } from "@effect-eventbus/flow"
import { AsyncApi, Contract } from "@effect-eventbus/inspect"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import addFormats from "ajv-formats"
import { DateTime, Effect, Layer, Result, Schema } from "effect"
import {
  EventBus,
  type Event,
  EventCodec,
  EventType,
  Handler,
  MemoryBroker,
  Request,
  Subscription,
  Version
} from "effect-eventbus"
import * as Misfit from "../cli/fixtures/misfit.ts"
import * as Shop from "../cli/fixtures/shop.ts"

const settings = AmqpOptions.settings({})

/** A check whose JSON Schema is not one of draft 07. */
const unevaluated = Schema.makeFilter<string>(() => true, {
  toJsonSchema: () => ({ unevaluatedProperties: false })
})

const documentOf = (exports: Readonly<Record<string, unknown>>) =>
  Effect.flatMap(Contract.fromExports(exports, { title: "shop", version: "1.2.3" }), (contract) =>
    AsyncApi.make(contract, settings)
  )

const lines = [{ text: "a book", parts: [{ text: "a cover", parts: [] }] }]
const at = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const paid = Shop.InvoicePaid.event({ invoiceId: "i-1", cents: 1200, at, lines }, { priority: "high", ttlSeconds: 60 })

const wire = (event: Event.Event): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(Result.getOrThrow(EventCodec.encode(event))))

describe("AsyncAPI", () => {
  let text = ""
  let parsed: Awaited<ReturnType<Parser["parse"]>>
  beforeAll(async () => {
    text = JSON.stringify(await Effect.runPromise(documentOf(Shop)))
    parsed = await new Parser().parse(text)
  })
  const readDocument = () => {
    assert.isDefined(parsed.document)
    return parsed.document
  }

  it("is a document that the official parser accepts", () => {
    // A later version of the specification is no fault.
    assert.deepStrictEqual(
      parsed.diagnostics.filter(({ code }) => code !== "asyncapi-latest-version"),
      []
    )
    const document = readDocument()
    assert.strictEqual(document.version(), "3.0.0")
    assert.strictEqual(document.info().title(), "shop")
    assert.strictEqual(document.info().version(), "1.2.3")
    assert.sameMembers(
      document
        .allMessages()
        .all()
        .map((message) => message.name()),
      ["invoice.paid", "invoice.lost", "any-event"]
    )
    const receiving = document.allOperations().filterByReceive()
    assert.sameMembers(
      receiving.map((operation) => operation.id()),
      ["billing", "reminders", "audit", "pager", "screen"].map((queue) => `receive:shop.${queue}`)
    )
  })

  it("lists the messages that a subscription receives from its queue, and its bindings", () => {
    const document = readDocument()
    const received = (queue: string) =>
      document
        .allOperations()
        .get(`receive:shop.${queue}`)
        ?.messages()
        .all()
        .map((message) => message.name())
    assert.deepStrictEqual(received("billing"), ["invoice.paid"])
    assert.sameMembers(received("audit") ?? [], ["invoice.paid", "invoice.lost", "any-event"])
    const queue = document.allChannels().get("queue:shop.billing")
    assert.strictEqual(queue?.address(), "shop.billing")
    assert.deepNestedInclude(queue?.bindings().get("amqp")?.json(), { is: "queue", "queue.durable": true })
    const type = document.allChannels().get("invoice.paid")
    assert.strictEqual(type?.address(), "invoice.paid.{priority}")
    assert.deepNestedInclude(type?.bindings().get("amqp")?.json(), { "exchange.name": "agent_events" })
  })

  it.effect("describes events as they are on the wire, and no others", () =>
    Effect.gen(function* () {
      const ajv = addFormats.default(new Ajv({ strict: false, allErrors: true }))
      ajv.addSchema(JSON.parse(text), "document")
      const problems = (json: unknown) => {
        const isValid = ajv.validate({ $ref: "document#/components/messages/invoice.paid/payload" }, json)
        return isValid ? [] : ajv.errors?.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`)
      }
      const event = wire(yield* paid)
      assert.deepStrictEqual(problems(event), [])
      assert.deepStrictEqual(problems({ ...event, priority: null, trace_id: null, something: "else" }), [])
      assert.deepStrictEqual(problems({ ...event, event_type: "invoice.lost" }), ["/event_type const"])
      assert.deepStrictEqual(problems({ ...event, event_id: "1" }), ["/event_id format"])
      const payload = { invoiceId: "i-1", cents: 1.5, at: "2026-01-02T03:04:05.000Z", lines: [{ text: 1, parts: [] }] }
      assert.deepStrictEqual(problems({ ...event, payload }), ["/payload/cents type", "/payload/lines/0/text type"])

      const { envelope } = JSON.parse(text).components.schemas
      assert.deepStrictEqual(Object.keys(envelope.properties), Object.keys(event))
    })
  )

  it.effect("fails where two subscriptions have the same queue, or two types the same name", () =>
    Effect.gen(function* () {
      const subscriptions = yield* Effect.flip(documentOf(Misfit))
      assert.deepInclude(subscriptions.reason, { _tag: "DuplicateName", kind: "subscriptions", name: "misfit" })
      const types = [EventType.untyped("twice"), EventType.untyped("twice")]
      const error = yield* Effect.flip(documentOf({ types }))
      assert.deepInclude(error.reason, { _tag: "DuplicateName", kind: "event types", name: "twice" })
    })
  )

  it.effect("describes requests with their replies, those that are replied to here and those that are made", () =>
    Effect.gen(function* () {
      class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.String }) {}
      const payload = Schema.Struct({ cents: Schema.Int })
      const Charge = Request.make("card.charge", {
        payload,
        success: Schema.Struct({ at: Schema.Date }),
        error: Declined
      })
      const Refund = Request.make("card.refund", { payload })
      const cards = Request.handle(Subscription.make("cards", { events: [Charge] }), Charge, () =>
        Effect.fail(new Declined({ code: "limit" }))
      )
      const text = JSON.stringify(yield* documentOf({ cards, Refund }))
      const { diagnostics, document } = yield* Effect.promise(() => new Parser().parse(text))
      assert.deepStrictEqual(
        diagnostics.filter(({ code }) => code !== "asyncapi-latest-version"),
        []
      )
      assert.isDefined(document)
      const replies = document
        .allOperations()
        .all()
        .map((operation) => {
          const messages = operation.reply()?.messages().all() ?? []
          return [operation.id(), operation.action(), ...messages.map((message) => message.name())]
        })
      assert.sameDeepMembers(replies, [
        ["receive:cards", "receive", "card.charge.reply"],
        ["request:card.refund", "send", "card.refund.reply"]
      ])
      const ajv = addFormats.default(new Ajv({ strict: false }))
      ajv.addSchema(JSON.parse(text), "replies")
      const isReply = (type: string, body: unknown) =>
        ajv.validate({ $ref: `replies#/components/messages/${type}.reply/payload` }, { payload: body })
      const values: ReadonlyArray<readonly [string, unknown]> = [
        ["card.charge", { success: { at: "2026-01-02T03:04:05.000Z" } }],
        ["card.charge", { error: { _tag: "Declined", code: "limit" } }],
        ["card.charge", { died: "it broke" }],
        ["card.refund", { success: null }]
      ]
      for (const [type, body] of values) assert.isTrue(isReply(type, body), JSON.stringify(body))
      for (const body of [{}, { success: { at: 1 } }, { error: { code: "limit" } }, { died: 1 }]) {
        assert.isFalse(isReply("card.charge", body), JSON.stringify(body))
      }
    })
  )

  it.effect("has a message for each older version that a step reads, which queues receive and nothing sends", () =>
    Effect.gen(function* () {
      const Placed = EventType.make("order.placed", {
        version: 2,
        payload: Schema.Struct({ orderId: Schema.String }),
        from: { 1: Version.step(Schema.Struct({ id: Schema.Int }), ({ id }) => ({ orderId: String(id) })) }
      })
      const billing = Subscription.make("billing", { events: [Placed] })
      const text = JSON.stringify(yield* documentOf({ billing }))
      const { diagnostics, document } = yield* Effect.promise(() => new Parser().parse(text))
      assert.deepStrictEqual(
        diagnostics.filter(({ code }) => code !== "asyncapi-latest-version"),
        []
      )
      const namesIn = (channel: string) =>
        document
          ?.allChannels()
          .get(channel)
          ?.messages()
          .all()
          .map((message) => message.name())
      assert.deepStrictEqual(namesIn("queue:billing"), ["order.placed", "order.placed.v1"])
      assert.deepStrictEqual(namesIn("order.placed"), ["order.placed"])
      const ajv = addFormats.default(new Ajv({ strict: false }))
      ajv.addSchema(JSON.parse(text), "versions")
      const isOld = (payload: unknown) =>
        ajv.validate({ $ref: "versions#/components/schemas/order.placed.v1.payload" }, payload)
      assert.isTrue(isOld({ id: 1 }))
      assert.isFalse(isOld({ orderId: "o-1" }))
    })
  )

  it.effect("tells that payloads may be sealed, and how events are taken", () =>
    Effect.gen(function* () {
      const Placed = EventType.make("order.placed", { payload: Schema.Struct({ orderId: Schema.String }) })
      const billing = Handler.make(
        Subscription.make("billing", { events: [Placed], prefetch: 50, concurrency: 4 }),
        () => Effect.void
      ).pipe(Flow.adaptive({ min: 1, max: 4, target: "1 second" }))
      const bodies = BodyPlan.make([Compression.gzip({ over: 0 })])
      const text = JSON.stringify(yield* documentOf({ billing, bodies }))
      const { diagnostics } = yield* Effect.promise(() => new Parser().parse(text))
      assert.deepStrictEqual(
        diagnostics.filter(({ code }) => code !== "asyncapi-latest-version"),
        []
      )
      const json = JSON.parse(text)
      assert.deepStrictEqual(json.operations["receive:billing"]["x-flow"], {
        concurrency: 4,
        prefetch: 50,
        steps: ["adaptive concurrency: 1 to 4"]
      })
      assert.deepStrictEqual(json.components.messages["order.placed"]["x-bodies"], [{ step: "gzip", overBytes: 0 }])
      // As the bus writes it.
      const sealed = yield* Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const memory = yield* MemoryBroker.MemoryBroker
        yield* bus.declare(Subscription.make("copies", { patterns: ["#"] }))
        yield* bus.publish(yield* Placed.event({ orderId: "o".repeat(1000) }))
        const [envelope] = yield* memory.expect("copies", 1)
        return JSON.parse(new TextDecoder().decode(envelope?.body))
      }).pipe(
        Effect.provide(EventBus.layer.pipe(Layer.provide(bodies.layer), Layer.provideMerge(MemoryBroker.layer())))
      )
      assert.isDefined(sealed.payload.$sealed)
      const ajv = addFormats.default(new Ajv({ strict: false }))
      ajv.addSchema(json, "sealed")
      const isEvent = (event: unknown) =>
        ajv.validate({ $ref: "sealed#/components/messages/order.placed/payload" }, event)
      assert.isTrue(isEvent(sealed), JSON.stringify(ajv.errors))
      assert.isTrue(isEvent({ ...sealed, payload: { orderId: "o-1" } }))
      assert.isFalse(isEvent({ ...sealed, payload: { $sealed: { steps: [{ step: "zip" }], data: "" } } }))
    })
  )

  it.effect("says of an operation whether the events of a key keep their order", () =>
    Effect.gen(function* () {
      const options = { patterns: ["#"], concurrency: 4 }
      const stock = Subscription.make("stock", { ...options, orderedBy: ({ eventId }) => eventId, holdFor: "1 minute" })
      const audit = Subscription.make("audit", options)
      const document = yield* documentOf({ stock, audit })
      const { diagnostics } = yield* Effect.promise(() => new Parser().parse(JSON.stringify(document)))
      assert.deepStrictEqual(
        diagnostics.filter(({ code }) => code !== "asyncapi-latest-version"),
        []
      )
      const { operations } = JSON.parse(JSON.stringify(document))
      assert.deepStrictEqual(operations["receive:stock"]["x-flow"], {
        concurrency: 4,
        ordered: { by: "key", holdForMs: 60_000 }
      })
      assert.deepStrictEqual(operations["receive:audit"]["x-flow"], { concurrency: 4 })
    })
  )

  it.effect("refuses two plans of bodies, and one that cannot be made", () =>
    Effect.gen(function* () {
      const billing = Subscription.make("billing", { patterns: ["#"] })
      const plans = [BodyPlan.make([]), BodyPlan.make([])]
      const several = yield* Effect.flip(documentOf({ billing, plans }))
      assert.strictEqual(several.reason._tag, "SeveralBodyPlans")
      const plan = BodyPlan.make([Effect.fail("no key")])
      const invalid = yield* Effect.flip(documentOf({ billing, plan }))
      assert.include(invalid.message, "no key")
    })
  )

  it.effect("fails where a payload has no JSON Schema, and names the type", () =>
    Effect.gen(function* () {
      const Odd = EventType.make("odd", { payload: Schema.Struct({ a: Schema.String.check(unevaluated) }) })
      const error = yield* Effect.flip(documentOf({ Odd }))
      assert.deepInclude(error.reason, { _tag: "NoJsonSchema", eventType: "odd" })
    })
  )
})
