import { Parser } from "@asyncapi/parser"
import { AmqpOptions } from "@effect-eventbus/amqp"
import { AsyncApi, Contract } from "@effect-eventbus/inspect"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import addFormats from "ajv-formats"
import { DateTime, Effect, Result, Schema } from "effect"
import { type Event, EventCodec, EventType } from "effect-eventbus"
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

  it.effect("fails where a payload has no JSON Schema, and names the type", () =>
    Effect.gen(function* () {
      const Odd = EventType.make("odd", { payload: Schema.Struct({ a: Schema.String.check(unevaluated) }) })
      const error = yield* Effect.flip(documentOf({ Odd }))
      assert.deepInclude(error.reason, { _tag: "NoJsonSchema", eventType: "odd" })
    })
  )
})
