import { readFileSync } from "node:fs"
import { join } from "node:path"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { CloudEvents } from "@effect-eventbus/bodies"
import { assert, describe, it } from "@effect/vitest"
import { CloudEvent, HTTP } from "cloudevents"
import { DateTime, Deferred, Effect, Layer, Option, Queue, Schedule, Schema } from "effect"
import {
  Broker,
  type Envelope,
  EventBus,
  EventType,
  FailurePolicy,
  Handler,
  MemoryBroker,
  Subscription
} from "effect-eventbus"
import { inject } from "vitest"
import * as Rig from "../amqp/support/Rig.ts"
import { envelope } from "../eventbus/BareBroker.ts"

const Invoice = EventType.make("invoice.paid", { payload: Schema.Struct({ cents: Schema.Int, at: Schema.String }) })
const invoices = Subscription.make("invoices", { events: [Invoice] })
const Any = Subscription.make("any", { patterns: ["#"] })

const modes = ["binary", "structured"] as const
const id = "00000000-0000-4000-8000-00000000000"

/** An event with all thirteen fields, and one more. */
const full = Effect.map(
  Invoice.event(
    { cents: 1200, at: "Zürich" },
    { priority: "high", ttlSeconds: 60, maxRetries: 7, sourceService: "billing of Zürich", sourceAgentId: "agent 7" }
  ),
  (event) => ({
    ...event,
    timestamp: DateTime.makeUnsafe("2026-01-02T03:04:05.678Z"),
    traceId: `${id}1`,
    executionId: `${id}2`,
    parentEventId: `${id}3`,
    retryCount: 2,
    extensions: { tenant: "acme", tenant_id: "acme-1", nested: { a: [1] } }
  })
)

const busOf = (options: CloudEvents.Options) =>
  EventBus.layer.pipe(Layer.provide(CloudEvents.layer(options)), Layer.provideMerge(MemoryBroker.layer()))

const textOf = (envelope: Envelope.Envelope | undefined) => new TextDecoder().decode(envelope?.body)

const fixture = (name: string) =>
  readFileSync(join(import.meta.dirname, `../fixtures/cloudevents/${name}.json`), "utf8")

const structuredType = { type: "application/cloudevents+json; charset=utf-8", encoding: undefined }

/** An envelope of a publisher that knows nothing of the bus. */
const foreign = (body: string, more: Partial<Envelope.Envelope>): Envelope.Envelope =>
  envelope(body, { routingKey: "partner", ...more })

/** The broker that the bus publishes to. */
const wrapped = Effect.provide(Broker.Broker, CloudEvents.layer({ source: "/shop" }))

/** Consumes what comes to a queue, and returns the first event. */
const first = Effect.gen(function* () {
  const bus = yield* EventBus.EventBus
  const found = yield* Deferred.make<Parameters<Parameters<typeof Handler.make>[1]>[0]>()
  yield* bus.subscribe(Handler.make(Any, (event) => Effect.asVoid(Deferred.succeed(found, event))))
  return Deferred.await(found)
})

const published = Effect.fnUntraced(function* () {
  const bus = yield* EventBus.EventBus
  const memory = yield* MemoryBroker.MemoryBroker
  yield* bus.declare(invoices)
  const event = yield* full
  yield* bus.publish(event)
  const [envelope] = yield* memory.expect("invoices", 1)
  assert.isDefined(envelope)
  return { event, envelope }
})

describe("CloudEvents", () => {
  for (const mode of modes) {
    it.effect(`keep all thirteen fields and others, ${mode}`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const { envelope, event } = yield* published()
        assert.notInclude(textOf(envelope), "event_id")
        const seen = yield* Deferred.make<unknown>()
        yield* bus.subscribe(Handler.make(invoices, (event) => Effect.asVoid(Deferred.succeed(seen, { ...event }))))
        assert.deepStrictEqual(yield* Deferred.await(seen), { ...event })
      }).pipe(Effect.scoped, Effect.provide(busOf({ mode, source: "/shop" })))
    )
  }

  it.effect("are read by the SDK as they are published, in both modes", () =>
    Effect.gen(function* () {
      const read = (mode: CloudEvents.Options["mode"]) =>
        Effect.gen(function* () {
          const { envelope, event } = yield* published()
          const headers = Object.entries(envelope.attributes ?? {}).map(([name, value]) => [`ce-${name}`, value])
          const read = HTTP.toEvent<unknown>({
            headers: {
              "content-type": envelope.content?.type ?? "application/json",
              ...Object.fromEntries(headers)
            },
            body: textOf(envelope)
          })
          assert.isFalse(Array.isArray(read))
          if (Array.isArray(read)) return
          const cloudEvent = new CloudEvent(read)
          assert.isTrue(cloudEvent.validate())
          assert.deepInclude(cloudEvent, {
            id: event.eventId,
            type: "invoice.paid",
            source: "billing%20of%20Z%C3%BCrich",
            datacontenttype: "application/json",
            traceid: `${id}1`,
            priority: "high",
            tenant: "acme"
          })
          assert.strictEqual(Date.parse(cloudEvent.time ?? ""), Date.parse("2026-01-02T03:04:05.678Z"))
          assert.deepStrictEqual(cloudEvent.data, { cents: 1200, at: "Zürich" })
        }).pipe(Effect.scoped, Effect.provide(busOf({ mode, source: "/shop" })))
      for (const mode of modes) yield* read(mode)
    })
  )

  for (const mode of modes) {
    it.effect(`of the SDK are handled, ${mode}`, () =>
      Effect.gen(function* () {
        const broker = yield* Broker.Broker
        const next = yield* first
        const event = new CloudEvent({
          id: `${id}9`,
          type: "partner.joined",
          source: "/partners",
          data: { name: "ACME" }
        })
        const { body, headers } = HTTP[mode](event)
        const attributes = Object.entries(headers).flatMap(([name, value]) =>
          name.startsWith("ce-") ? [[name.slice(3), String(value)]] : []
        )
        const type = String(headers["content-type"])
        yield* broker.publish(
          foreign(String(body), {
            content: { type, encoding: undefined },
            ...(mode === "binary" ? { attributes: Object.fromEntries(attributes) } : {})
          })
        )
        const { eventId, eventType, payload, sourceService } = yield* next
        assert.deepStrictEqual(
          [eventId, eventType, sourceService, payload],
          [`${id}9`, "partner.joined", "/partners", { name: "ACME" }]
        )
      }).pipe(Effect.scoped, Effect.provide(busOf({ source: "/shop" })))
    )
  }

  it.effect("have a time as RFC 3339 writes it, with all the digits of the publisher", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const broker = yield* wrapped
      const memory = yield* MemoryBroker.MemoryBroker
      yield* bus.declare(Any)
      const times = [
        ["2026-01-15T09:30:00.123456+00:00", "2026-01-15T09:30:00.123456+00:00"],
        ["2026-01-15T09:30:00.123456", "2026-01-15T09:30:00.123456Z"],
        ["20260115T0930", "2026-01-15T09:30:00.000Z"]
      ] as const
      for (const [timestamp] of times) {
        const event = { event_id: `${id}1`, event_type: "partner.joined", timestamp, payload: {} }
        yield* broker.publish(foreign(JSON.stringify(event), {}))
      }
      const came = yield* memory.expect("any", times.length)
      assert.deepStrictEqual(
        came.map(({ attributes }) => attributes?.["time"]),
        times.map(([, time]) => time)
      )
    }).pipe(Effect.provide(busOf({ source: "/shop" })))
  )

  it.effect("are made of events alone: other bodies stay as they are", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const broker = yield* wrapped
      const memory = yield* MemoryBroker.MemoryBroker
      yield* bus.declare(Any)
      const bodies = [
        '{ "payload": {} }',
        `{ "event_id": "${id}1", "event_type": "t", "timestamp": "yesterday", "payload": {} }`,
        "no JSON at all"
      ]
      for (const body of bodies) yield* broker.publish(foreign(body, {}))
      const came = yield* memory.expect("any", bodies.length)
      assert.deepStrictEqual(came.map(textOf), bodies)
    }).pipe(Effect.provide(busOf({ source: "/shop" })))
  )

  it.effect("without data have an empty payload", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const attributes = { specversion: "1.0", id: `${id}9`, type: "partner.left", source: "/partners" }
      const receive = (envelope: Envelope.Envelope) =>
        Effect.scoped(Effect.flatMap(first, (next) => Effect.andThen(broker.publish(envelope), next)))
      const binary = yield* receive(foreign("", { attributes }))
      const structured = yield* receive(foreign(JSON.stringify(attributes), { content: structuredType }))
      assert.deepStrictEqual([binary.payload, structured.payload], [{}, {}])
    }).pipe(Effect.provide(busOf({ source: "/shop" })))
  )

  it.effect("whose data is in base64 are handled if it is JSON", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const next = yield* first
      const data_base64 = Buffer.from('{ "name": "Zürich" }').toString("base64")
      const event = { specversion: "1.0", id: `${id}9`, type: "partner.joined", source: "/partners", data_base64 }
      yield* broker.publish(foreign(JSON.stringify(event), { content: structuredType }))
      assert.deepStrictEqual((yield* next).payload, { name: "Zürich" })
    }).pipe(Effect.scoped, Effect.provide(busOf({ source: "/shop" })))
  )

  it.effect("of the specification are handled, and an id that is no UUID becomes the same one each time", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const receive = (envelope: Envelope.Envelope) =>
        Effect.scoped(Effect.flatMap(first, (next) => Effect.andThen(broker.publish(envelope), next)))
      const structured = yield* receive(foreign(fixture("object"), { content: structuredType }))
      assert.deepStrictEqual(structured.payload, { appinfoA: "abc", appinfoB: 123, appinfoC: true })
      assert.deepStrictEqual(structured.extensions, {
        cloudevents_id: "C234-1234-1234",
        comexampleextension1: "value",
        comexampleothervalue: "5"
      })
      assert.deepStrictEqual(structured.timestamp, DateTime.makeUnsafe("2018-04-05T17:31:00Z"))
      const binary = yield* receive(
        foreign('{ "appinfoA": "abc" }', {
          attributes: {
            specversion: "1.0",
            type: "com.example.someevent",
            time: "2018-04-05T03:56:24Z",
            id: "C234-1234-1234",
            source: "/mycontext"
          },
          content: { type: "application/json; charset=utf-8", encoding: undefined }
        })
      )
      assert.deepStrictEqual(binary.payload, { appinfoA: "abc" })
      assert.strictEqual(binary.eventId, structured.eventId)
    }).pipe(Effect.provide(busOf({ source: "/shop" })))
  )

  const asTheyCame: ReadonlyArray<readonly [what: string, attributes: Readonly<Record<string, string>>]> = [
    ["an id of their own, and a source that encodeURI writes otherwise", { id: "A-1", source: "/%7Eacme/a%2Fb?c=[1]" }],
    ["a source that is no URI", { id: "A-1", source: "/100%" }],
    ["a source that encodeURI writes otherwise, beside a UUID", { id: `${id}9`, source: "/%7Eacme" }],
    ["the source of the layer", { id: "A-1", source: "/shop" }],
    [
      "extensions whose names are long, or whose values are empty",
      { id: `${id}9`, source: "/partners", ["a".repeat(21)]: "long", ["b".repeat(64)]: "longest", empty: "" }
    ],
    ["fields that are empty", { id: `${id}9`, source: "/partners", sourceagentid: "" }],
    ["attributes by the names of fields", { id: `${id}9`, source: "/partners", payload: "p", timestamp: "t" }]
  ]
  for (const mode of modes) {
    for (const [what, own] of asTheyCame) {
      it.live(`keep ${what} through a retry and as dead letters, ${mode}`, () =>
        Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          const broker = yield* Broker.Broker
          const memory = yield* MemoryBroker.MemoryBroker
          const ids = new Array<string>()
          yield* bus.subscribe(
            Handler.make(Any, ({ eventId }) => {
              ids.push(eventId)
              return Effect.fail("no")
            }).pipe(
              Handler.onFailure(FailurePolicy.retry(Schedule.spaced("1 millis").pipe(Schedule.upTo({ times: 1 }))))
            )
          )
          const attributes = { specversion: "1.0", type: "partner.joined", time: "2026-01-02T03:04:05.678Z", ...own }
          yield* broker.publish(
            mode === "binary"
              ? foreign("{}", { attributes })
              : foreign(JSON.stringify({ ...attributes, data: {} }), { content: structuredType })
          )
          const [dead] = yield* memory.expect("dlq.any", 1)
          assert.deepStrictEqual(
            mode === "binary" ? { ...dead?.attributes, data: {} } : JSON.parse(textOf(dead)),
            mode === "binary"
              ? { ...attributes, retrycount: "1", data: {} }
              : { ...attributes, retrycount: 1, datacontenttype: "application/json", data: {} }
          )
          assert.strictEqual(ids.length, 2)
          assert.strictEqual(ids[0], ids[1])
        }).pipe(Effect.scoped, Effect.provide(busOf({ mode, source: "/shop" })))
      )
    }

    it.live(`keep the media type of their data through a retry and as dead letters, ${mode}`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const broker = yield* Broker.Broker
        const memory = yield* MemoryBroker.MemoryBroker
        yield* bus.subscribe(
          Handler.make(Any, () => Effect.fail("no")).pipe(
            Handler.onFailure(FailurePolicy.retry(Schedule.spaced("1 millis").pipe(Schedule.upTo({ times: 1 }))))
          )
        )
        const attributes = { specversion: "1.0", id: `${id}9`, type: "partner.joined", source: "/partners" }
        const type = "application/vnd.acme.v2+json; charset=utf-8"
        yield* broker.publish(
          mode === "binary"
            ? foreign("{}", { attributes, content: { type, encoding: undefined } })
            : foreign(JSON.stringify({ ...attributes, datacontenttype: type, data: {} }), { content: structuredType })
        )
        const [dead] = yield* memory.expect("dlq.any", 1)
        assert.strictEqual(mode === "binary" ? dead?.content?.type : JSON.parse(textOf(dead)).datacontenttype, type)
      }).pipe(Effect.scoped, Effect.provide(busOf({ mode, source: "/shop" })))
    )

    it.live(`are made of events whatever these call themselves, so that a retry is read again, ${mode}`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const broker = yield* Broker.Broker
        const attempts = yield* Queue.unbounded<number>()
        yield* bus.subscribe(
          Handler.make(Any, (_, { attempt }) =>
            Effect.andThen(Queue.offer(attempts, attempt), attempt === 1 ? Effect.fail("not yet") : Effect.void)
          ).pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced("1 millis"))))
        )
        const event = {
          event_id: `${id}1`,
          event_type: "partner.joined",
          timestamp: "2026-01-02T03:04:05Z",
          payload: {}
        }
        yield* broker.publish(foreign(JSON.stringify(event), { content: { type: "text/plain", encoding: undefined } }))
        assert.deepStrictEqual(yield* Queue.takeN(attempts, 2), [1, 2])
      }).pipe(Effect.scoped, Effect.provide(busOf({ mode, source: "/shop" })))
    )

    it.effect(`come back with the numbers and texts of their fields as they were written, ${mode}`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const broker = yield* wrapped
        const came = yield* Queue.unbounded<string>()
        yield* bus.subscribe(Handler.make(Any, (_, { envelope }) => Queue.offer(came, textOf(envelope))))
        const fields = [
          '"specversion":1.0',
          '"ebextensions":12345678901234567890',
          '"score":1.50e2',
          '"of {\\"all\\"}":{"a":"}\\\\\\"","b":[1.0,"]"]}'
        ]
        const event = [`"event_id":"${id}1"`, '"event_type":"t"', '"timestamp":"2026-01-02T03:04:05Z"', '"payload":{}']
        yield* broker.publish(foreign(`{ ${[...fields, ...event].join(" , ")} }`, {}))
        assert.include(yield* Queue.take(came), `{${fields.join(",")},"event_id"`)
      }).pipe(Effect.scoped, Effect.provide(busOf({ mode, source: "/shop" })))
    )

    it.effect(`come back with the service and the extensions that they were published with, ${mode}`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const next = yield* Queue.unbounded<readonly [service: string | undefined, extensions: Schema.JsonObject]>()
        yield* bus.subscribe(
          Handler.make(Any, ({ extensions, sourceService }) => Queue.offer(next, [sourceService, extensions]))
        )
        const odd = { data: "of ours", data_base64: "AAAA", id: "another", "": "no name", empty: "", source_id: 7 }
        for (const sourceService of [undefined, "", "/shop", "100% /a%2Fb", "half \ud800"]) {
          const event = { ...(yield* Invoice.event({ cents: 1, at: "" }, { sourceService })), extensions: odd }
          yield* bus.publish(event)
          assert.deepStrictEqual(yield* Queue.take(next), [sourceService, odd])
        }
      }).pipe(Effect.scoped, Effect.provide(busOf({ mode, source: "/shop" })))
    )
  }

  it.effect("have an id and a source of their own, even with extensions that were copied from another's", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const broker = yield* Broker.Broker
      const memory = yield* MemoryBroker.MemoryBroker
      const next = yield* first
      yield* broker.publish(
        foreign("{}", { attributes: { specversion: "1.0", type: "partner.joined", id: "A-1", source: "/%7Eacme" } })
      )
      const { extensions } = yield* next
      assert.deepStrictEqual(extensions, { cloudevents_id: "A-1", cloudevents_source: "/%7Eacme" })
      yield* bus.declare(invoices)
      const event = { ...(yield* Invoice.event({ cents: 1, at: "" }, { sourceService: "billing" })), extensions }
      yield* bus.publish(event)
      const [envelope] = yield* memory.expect("invoices", 1)
      assert.deepInclude(envelope?.attributes, { id: event.eventId, source: "billing" })
    }).pipe(Effect.scoped, Effect.provide(busOf({ source: "/shop" })))
  )

  it.effect("whose data is no JSON, or that lack an attribute, become dead letters as they came", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const broker = yield* Broker.Broker
      const memory = yield* MemoryBroker.MemoryBroker
      yield* bus.subscribe(Handler.make(Any, () => Effect.die("it must not be handled")))
      const wrong = [
        [fixture("xml"), "InvalidCloudEvent", "the data of the CloudEvent is not a JSON object"],
        [fixture("text"), "InvalidCloudEvent", "the data of the CloudEvent is not a JSON object"],
        ['{ "specversion": "1.0", "type": "t", "source": "/s", "data": {} }', "InvalidCloudEvent", 'no "id"'],
        ['{ "specversion": "2.0", "id": "i", "type": "t", "source": "/s", "data": {} }', "InvalidCloudEvent", "2.0"],
        // A number is no text, as which the specification has it.
        ['{ "specversion": 1.0, "id": "i", "type": "t", "source": "/s", "data": {} }', "InvalidCloudEvent", "not 1.0"],
        [
          '{ "specversion": "1.0", "id": "i", "type": "t", "source": "/s", "time": "soon", "data": {} }',
          "InvalidCloudEvent",
          '"time"'
        ],
        ["no JSON at all", "InvalidCloudEvent", 'no "specversion"']
      ] as const
      for (const [body] of wrong) yield* broker.publish(foreign(body, { content: structuredType }))
      const dead = yield* memory.expect("dlq.any", wrong.length)
      for (const [index, [body, reason, message]] of wrong.entries()) {
        const letter = dead[index]
        assert.strictEqual(textOf(letter), body)
        assert.strictEqual(letter?.fault?.reason, reason)
        assert.include(letter?.fault?.message, message)
      }
    }).pipe(Effect.scoped, Effect.provide(busOf({ source: "/shop" })))
  )

  it.effect("and plain events are read side by side, so that it can be turned on in consumers first", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const plain = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, broker))
      const next = yield* first
      const event = yield* full
      yield* plain.publish(event)
      assert.strictEqual((yield* next).eventId, event.eventId)
    }).pipe(Effect.scoped, Effect.provide(busOf({ source: "/shop" })))
  )

  it("refuse an empty source", () => {
    assert.throws(() => CloudEvents.layer({ source: "" }), RangeError)
  })
})

const url = inject("rabbitUrl")

describe.skipIf(url === null)("CloudEvents on RabbitMQ", () => {
  it.live(
    "have headers of the names that other services know, and keep them through a retry and a replay",
    () =>
      Effect.gen(function* () {
        const rig = yield* Rig.make(url ?? "", "cloudevents")
        const queue = rig.queue("partners", [20])
        const raw = yield* rig.raw
        const Bus = EventBus.layer.pipe(
          Layer.provide(CloudEvents.layer({ source: "/shop" })),
          Layer.provide(AmqpBroker.layer(rig.options()))
        )
        yield* Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          const event = yield* full
          const copies = rig.queue("copies")
          yield* bus.declare(Subscription.make(copies, { patterns: ["#"] }))
          yield* bus.publish(event)
          const { content, properties } = yield* raw.take(copies)
          assert.strictEqual(String(content), '{"cents":1200,"at":"Zürich"}')
          assert.strictEqual(properties.contentType, "application/json")
          assert.deepInclude(properties.headers, {
            cloudEvents_specversion: "1.0",
            cloudEvents_id: event.eventId,
            cloudEvents_type: "invoice.paid",
            cloudEvents_time: "2026-01-02T03:04:05.678+00:00",
            cloudEvents_traceid: `${id}1`
          })

          /** Longer than the short strings of AMQP. */
          const note = "long ".repeat(1000)
          const attempts = new Array<readonly [unknown, number]>()
          const done = yield* Deferred.make<void>()
          const partners = Subscription.make(queue, { patterns: ["partner.#"] })
          yield* bus.subscribe(
            Handler.make(partners, ({ extensions, payload }, { attempt }) => {
              attempts.push([[payload, extensions["cloudevents_id"], extensions["note"]], attempt])
              return attempts.length === 3 ? Effect.asVoid(Deferred.succeed(done, undefined)) : Effect.fail("no")
            }).pipe(
              Handler.onFailure(FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 1 }))))
            )
          )
          // The other prefix, and a time as AMQP has it.
          yield* raw.publish(rig.exchange, "partner.joined", '{ "name": "ACME" }', {
            contentType: "application/json",
            headers: {
              "cloudEvents:specversion": "1.0",
              "cloudEvents:id": "A234",
              "cloudEvents:type": "partner.joined",
              "cloudEvents:source": "/partners",
              "cloudEvents:note": note,
              "cloudEvents:time": { "!": "timestamp", value: 1_522_900_000 }
            }
          })
          const letters = bus.deadLetters(queue)
          yield* Effect.repeat(bus.queueInfo(`dlq.${queue}`), {
            until: (info) => Option.exists(info, ({ messages }) => messages === 1),
            schedule: Schedule.spaced("20 millis")
          }).pipe(Effect.timeout("20 seconds"))
          yield* letters.replay()
          yield* Deferred.await(done)
          const same = [{ name: "ACME" }, "A234", note]
          assert.deepStrictEqual(attempts, [
            [same, 1],
            [same, 2],
            [same, 1]
          ])
        }).pipe(Effect.provide(Bus))
      }).pipe(Effect.scoped),
    60_000
  )
})
