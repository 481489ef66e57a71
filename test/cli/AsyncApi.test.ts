import { Parser } from "@asyncapi/parser"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import addFormats from "ajv-formats"
import { DateTime, Effect, Result } from "effect"
import { type Event, EventCodec } from "effect-eventbus"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Shop from "./fixtures/shop.ts"
import * as Process from "./Process.ts"

const write = async (...args: ReadonlyArray<string>) => {
  const ended = await Process.run(["asyncapi", ...args])
  assert.strictEqual(ended.code, 0, ended.stderr)
  assert.strictEqual(ended.stderr, "")
  return ended.stdout
}

const lines = [{ text: "a book", parts: [{ text: "a cover", parts: [] }] }]
const at = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const paid = Shop.InvoicePaid.event({ invoiceId: "i-1", cents: 1200, at, lines }, { priority: "high", ttlSeconds: 60 })

const wire = (event: Event.Event): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(Result.getOrThrow(EventCodec.encode(event))))

describe("AsyncAPI", () => {
  let text = ""
  let parsed: Awaited<ReturnType<Parser["parse"]>>
  beforeAll(async () => {
    text = await write(...Fixture.shop)
    parsed = await new Parser().parse(text)
  })
  const documentOf = () => {
    assert.isDefined(parsed.document)
    return parsed.document
  }

  it("is a document that the official parser finds nothing wrong with", () => {
    // That there is a later version is no fault.
    assert.deepStrictEqual(
      parsed.diagnostics.filter(({ code }) => code !== "asyncapi-latest-version"),
      []
    )
    const document = documentOf()
    assert.strictEqual(document.version(), "3.0.0")
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

  it("says which messages a subscription receives from its queue, and how that is bound", () => {
    const document = documentOf()
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

  it("is the same on one line", async () => {
    const line = await write(...Fixture.shop, "--json")
    assert.deepStrictEqual(Process.objectsOf(line), [JSON.parse(text)])
  })

  it("cannot have two subscriptions of one queue", async () => {
    Process.assertFailed(await Process.run(["asyncapi", ...Fixture.module("misfit")]), 2, 'named "misfit"')
  })
})
