import { randomUUID } from "node:crypto"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { Contract } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Redacted, Schema } from "effect"
import { type Broker, EventType, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import { eventually } from "../support/eventually.ts"
import * as Site from "./Site.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The body of an event with this JSON text as its payload. */
const event = (payload: string) =>
  encoder.encode(
    `{"event_id":"${randomUUID()}","event_type":"invoice.paid","timestamp":"2026-01-01T00:00:00.000Z","payload":${payload}}`
  )

/** An invoice whose `amount` is text, which the schema refuses. */
const wrong = (n: number) => event(`{"n":${n},"amount":"12","account":12345678901234567890,"rate":1.0}`)
const Checked = EventType.make("invoice.paid", { payload: Schema.Struct({ n: Schema.Int, amount: Schema.Int }) })

const payloadsIn = (letters: ReadonlyArray<{ readonly envelope: { readonly body: Uint8Array } }>) =>
  letters.map(({ envelope }) => /"payload":(\{.*\})\}$/.exec(decoder.decode(envelope.body))?.[1])

/** The tests of an edit of many dead letters on any broker. */
const suite = (name: string, layer: () => Layer.Layer<Broker.Broker, unknown>, isSkipped = false) =>
  describe.skipIf(isSkipped)(`An edit of many dead letters ${name}`, () => {
    /** A console of a queue of its own, whose dead letters have these bodies. */
    const console = Effect.fnUntraced(function* (
      bodies: ReadonlyArray<Uint8Array>,
      options: Parameters<typeof Site.make>[1] = {}
    ) {
      const queue = `billing.${randomUUID()}`
      const contract = yield* Contract.fromExports({ Checked }, { title: "shop", version: "1.0.0" })
      const site = yield* Site.make(layer(), { queues: [queue], contract, ...options })
      yield* Effect.addFinalizer(() =>
        Effect.ignore(Effect.andThen(site.bus.purge(queue), site.bus.purge(`dlq.${queue}`)))
      )
      const ids = yield* Site.bury(site, bodies, queue)
      const { groups, id: snapshot } = yield* Site.look(site, queue)
      const selection = { fingerprint: groups[0].fingerprint }
      return {
        site,
        queue,
        ids,
        snapshot,
        check: (payload: string, given: object = {}) =>
          site.post(`/queues/${queue}/check-edit-all`, { selection, snapshot, letter: ids[0], payload, ...given }),
        edit: (changes: ReadonlyArray<object>, given: object = {}) =>
          site.post(`/queues/${queue}/edit-all`, { selection, snapshot, changes, ...given }),
        left: Effect.map(site.bus.deadLetters(queue).peek({ limit: 100 }), ({ letters }) => letters)
      }
    })
    const toNumber = { _tag: "Set", pointer: "/amount", value: "12" }

    it.live("replays those that the schema accepts then, and tells how many stay for which reason", () =>
      Effect.gen(function* () {
        const bodies = [
          ...[0, 1, 2, 3].map(wrong),
          event('{"amount":"7"}'),
          event('{"n":"x","amount":"8"}'),
          encoder.encode("no")
        ]
        const { edit, left, queue, site } = yield* console(bodies)
        const handled: Array<unknown> = []
        yield* site.bus.subscribe(
          Handler.make(Subscription.make(queue, { events: [Checked] }), ({ payload }) =>
            Effect.sync(() => handled.push(payload))
          )
        )
        const { body: job } = yield* edit([toNumber])
        assert.deepInclude(job, { kind: "edit", queue, expected: 7, changes: [toNumber], keep: false })
        assert.match(job.title, /: \/amount$/)
        const { state, tally } = yield* site.ended(job.id)
        assert.strictEqual(state, "done")
        assert.deepInclude(tally, { waiting: 7, done: 4, skipped: 0, failed: 3 })
        assert.deepStrictEqual(
          tally.refusals.map(({ count, message }: { count: number; message: string }) => [count, message]),
          [
            [2, "the schema of invoice.paid refuses payload.n"],
            [1, "its body is not an event"]
          ]
        )
        yield* eventually(
          "all are handled",
          Effect.sync(() => handled.length === 4)
        )
        assert.sameDeepMembers(
          handled,
          [0, 1, 2, 3].map((n) => ({ n, amount: 12 }))
        )
        // Those that stay are as they were, and those that went are there for download.
        assert.deepStrictEqual(
          (yield* left).map(({ envelope }) => decoder.decode(envelope.body)),
          bodies.slice(4).map((body) => decoder.decode(body))
        )
        const { text } = yield* site.get(`/jobs/${job.id}/kept`)
        assert.lengthOf(text.trim().split("\n"), 4)
        assert.include(text, 'amount\\":\\"12\\"')
      }).pipe(Effect.scoped)
    )

    it.live("leaves them among the dead letters where that is asked for, with all digits of their numbers", () =>
      Effect.gen(function* () {
        const { edit, left, queue, site } = yield* console([wrong(1), wrong(2), event('{"n":3,"amount":12}')])
        const before = yield* left
        const { body: job } = yield* edit([toNumber, { _tag: "Rename", pointer: "/account", name: "iban" }], {
          keep: true
        })
        const { tally } = yield* site.ended(job.id)
        assert.deepInclude(tally, { waiting: 3, done: 2, failed: 1 })
        assert.strictEqual(tally.refusals[0].message, "it has no /account")
        const after = yield* left
        assert.sameMembers(payloadsIn(after), [
          '{"n":3,"amount":12}',
          '{"n":1,"amount":12,"iban":12345678901234567890,"rate":1.0}',
          '{"n":2,"amount":12,"iban":12345678901234567890,"rate":1.0}'
        ])
        assert.deepStrictEqual(after.at(-1)?.envelope.fault, before[0]?.envelope.fault)
        // What has the value already keeps its place.
        const { id: snapshot } = yield* Site.look(site, queue)
        const { body: again } = yield* edit([toNumber], { keep: true, snapshot })
        const ended = yield* site.ended(again.id)
        assert.deepInclude(ended.tally, { done: 0, failed: 3 })
        assert.strictEqual(ended.tally.refusals[0].message, "nothing changes in it")
      }).pipe(Effect.scoped)
    )

    it.live("leaves alone what has gone or changed since the look, or come", () =>
      Effect.gen(function* () {
        const { edit, ids, left, queue, site } = yield* console([wrong(1), wrong(2), wrong(3)])
        const letters = site.bus.deadLetters(queue)
        yield* letters.discard({ ids: ids.slice(0, 1) })
        yield* Site.bury(site, [wrong(4)], queue)
        const { body: job } = yield* edit([toNumber])
        assert.strictEqual(job.expected, 3)
        const { tally } = yield* site.ended(job.id)
        assert.deepInclude(tally, { done: 2, skipped: 1, failed: 0 })
        assert.deepInclude(tally.refusals[0], { count: 1, message: "it was no longer there, or had changed" })
        assert.match(payloadsIn(yield* left)[0] ?? "", /"n":4,"amount":"12"/)
      }).pipe(Effect.scoped)
    )

    it.live("stops between two dead letters, and leaves the rest as they are", () =>
      Effect.gen(function* () {
        const { edit, left, queue, site } = yield* console(Array.from({ length: 20 }, (_, n) => wrong(n)))
        const handled = yield* Site.handle(site, queue)
        const { body: job } = yield* edit([toNumber], { rate: 2 })
        yield* eventually(
          "the job has begun",
          Effect.map(site.get(`/jobs/${job.id}`), ({ body }) => body.tally.done > 0),
          { atMost: "60 seconds" }
        )
        const { body: stopped } = yield* site.post(`/jobs/${job.id}/stop`)
        assert.strictEqual(stopped.state, "stopped")
        const { done } = stopped.tally
        assert.isBelow(done, 20)
        yield* eventually(
          "what was replayed is handled",
          Effect.sync(() => handled.count() === done)
        )
        const rest = payloadsIn(yield* left)
        assert.lengthOf(rest, 20 - done)
        for (const payload of rest) assert.match(payload ?? "", /"amount":"12"/)
      }).pipe(Effect.scoped)
    )

    it.live("counts those that it keeps among the dead letters while it runs", () =>
      Effect.gen(function* () {
        const { edit, queue, site } = yield* console(Array.from({ length: 20 }, (_, n) => wrong(n)))
        const { body: job } = yield* edit([toNumber], { keep: true, rate: 2 })
        yield* eventually(
          "the job has begun",
          Effect.map(site.get(`/jobs/${job.id}`), ({ body }) => body.tally.done > 0),
          { atMost: "60 seconds" }
        )
        assert.strictEqual((yield* site.get(`/queues/${queue}`)).body.queue.deadLetters, 20)
        yield* site.post(`/jobs/${job.id}/stop`)
        assert.strictEqual((yield* site.bus.deadLetters(queue).peek()).waiting, 20)
      }).pipe(Effect.scoped)
    )
  })

suite("in memory", () => MemoryBroker.layer())

const url = inject("rabbitUrl")
suite(
  "on RabbitMQ",
  () => AmqpBroker.layer({ url: Redacted.make(url ?? ""), exchange: `events.${randomUUID()}` }),
  url === null
)

describe("The check of an edit of many dead letters", () => {
  const console = Effect.fnUntraced(function* (
    bodies: ReadonlyArray<Uint8Array>,
    options: Parameters<typeof Site.make>[1] = {},
    keys: ReadonlyArray<string> = []
  ) {
    const site = yield* Site.make(MemoryBroker.layer(), options)
    const ids = yield* Site.bury(site, bodies, "billing", keys)
    const { id: snapshot } = yield* Site.look(site)
    const rest = { selection: { all: true }, snapshot }
    return {
      site,
      ids,
      check: (payload: string, given: object = {}) =>
        site.post("/queues/billing/check-edit-all", { ...rest, letter: ids[0], payload, ...given }),
      edit: (given: object) => site.post("/queues/billing/edit-all", { ...rest, ...given })
    }
  })
  const contract = Contract.fromExports({ Checked }, { title: "shop", version: "1.0.0" })

  it.live("finds the changes, what they overwrite in others, and which the schema refuses then", () =>
    Effect.gen(function* () {
      const { check, ids } = yield* console(
        [
          event('{"n":1,"amount":"urgent","old":12345678901234567890}'),
          event('{"n":2,"amount":"urgent","old":2}'),
          event('{"n":3,"amount":"low","old":1.0}'),
          event('{"n":4,"amount":5,"x":1}'),
          event('{"n":"5","old":1}')
        ],
        { contract: yield* contract }
      )
      const { body } = yield* check('{"n":1,"amount":5,"x":12345678901234567890}')
      assert.deepStrictEqual(body.changes, [
        {
          change: { _tag: "Rename", pointer: "/old", name: "x" },
          before: "12345678901234567890",
          others: 3,
          other: "2",
          absent: 1
        },
        {
          change: { _tag: "Set", pointer: "/amount", value: "5" },
          before: '"urgent"',
          others: 2,
          other: '"low"',
          absent: 1
        }
      ])
      assert.deepInclude(body, { hasSchema: true, issues: [], count: 5, accepted: 3, unchanged: 0, unchecked: 0 })
      assert.deepStrictEqual(body.refusals, [
        { message: "it has no /old", count: 1, example: ids[3] },
        { message: "the schema of invoice.paid refuses payload.n", count: 1, example: ids[4] }
      ])
      assert.include(body.before, '  "old": 12345678901234567890')
      // A value that others have already changes nothing in them.
      const { body: set } = yield* check('{"n":1,"amount":5,"old":12345678901234567890}')
      assert.deepInclude(set, { accepted: 4, unchanged: 1 })
    }).pipe(Effect.scoped)
  )

  it.live("says at which place the schema refuses the payload itself, and what is none", () =>
    Effect.gen(function* () {
      const { check } = yield* console([wrong(1), wrong(2)], { contract: yield* contract })
      const { body: refused } = yield* check('{"n":1,"amount":"still"}')
      assert.deepInclude(refused, { accepted: 0, count: 2 })
      assert.deepInclude(refused.issues[0], { path: ["amount"] })
      assert.deepInclude(refused.refusals[0], { count: 2 })
      for (const [payload, reason] of [
        ['{"n":', /not JSON/],
        ["[7]", /not a JSON object/],
        [`{"a":${"[".repeat(150)}${"]".repeat(150)}}`, /nested too deep/]
      ] as const) {
        const { body } = yield* check(payload)
        assert.deepInclude(body, { changes: [], accepted: 0, refusals: [] })
        assert.match(body.issues[0].message, reason)
      }
      const { body: same } = yield* check('{"rate":1.0,"n":1,"amount":"12","account":12345678901234567890}')
      assert.deepStrictEqual(same.changes, [])
    }).pipe(Effect.scoped)
  )

  it.live("tells that those of a key cannot be edited, and neither does the job", () =>
    Effect.gen(function* () {
      const { check, edit, site } = yield* console([wrong(1), wrong(2)], {}, ["k1", "k2"])
      const { body } = yield* check('{"n":9}')
      assert.deepInclude(body, { accepted: 0, hasSchema: false })
      const { body: job } = yield* edit({ changes: [{ _tag: "Set", pointer: "/n", value: "9" }] })
      const { tally } = yield* site.ended(job.id)
      assert.deepInclude(tally, { done: 0, failed: 2 })
      for (const [refusal] of [body.refusals, tally.refusals]) {
        assert.deepInclude(refusal, { count: 2 })
        assert.match(refusal.message, /key is ordered/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("refuses an order without changes, at no place, by a wrong rate, or of nothing", () =>
    Effect.gen(function* () {
      const { check, edit, site } = yield* console([wrong(1)])
      const changes = [{ _tag: "Remove", pointer: "/n" }]
      for (const [status, given] of [
        [422, { changes: [] }],
        [400, { changes: [{ _tag: "Remove", pointer: "n" }] }],
        [422, { changes, rate: 0 }],
        [422, { changes, selection: {} }],
        [422, { changes, selection: { reason: "None" } }],
        [410, { changes, snapshot: randomUUID() }]
      ] as const) {
        assert.strictEqual((yield* edit(given)).status, status, JSON.stringify(given))
      }
      assert.strictEqual((yield* check("{}", { letter: "unknown" })).status, 404)
      assert.strictEqual(yield* Site.deadLetters(site.bus), 1)
    }).pipe(Effect.scoped)
  )

  it.live("asks for an export of more than can be kept", () =>
    Effect.gen(function* () {
      const { edit } = yield* console(Array.from({ length: 1001 }, (_, n) => wrong(n)))
      const changes = [{ _tag: "Set", pointer: "/n", value: "9" }]
      assert.deepInclude((yield* edit({ changes })).body, { _tag: "ExportFirst", count: 1001 })
    }).pipe(Effect.scoped)
  )
})

describe("An edit of one dead letter", () => {
  it.live("keeps all digits of the numbers beside what was changed", () =>
    Effect.gen(function* () {
      const site = yield* Site.make(MemoryBroker.layer(), {})
      const [letter] = yield* Site.bury(site, [wrong(1)])
      const { id: snapshot } = yield* Site.look(site)
      const payload = '{\n  "n": 1, "amount": 12, "account": 12345678901234567890, "rate": 1.0\n}'
      const { body: check } = yield* site.post("/queues/billing/check-edit", { snapshot, letter, payload })
      assert.include(check.before, '"account": 12345678901234567890')
      assert.include(check.after, '"rate": 1.0')
      const { body: job } = yield* site.post("/queues/billing/edit", { snapshot, letter, payload })
      assert.strictEqual((yield* site.ended(job.id)).state, "done")
      const seen: Array<string> = []
      yield* site.bus.subscribe(
        Handler.make(Subscription.make("billing", { events: [Site.Paid] }), (_, { envelope }) =>
          Effect.sync(() => seen.push(decoder.decode(envelope.body)))
        )
      )
      yield* eventually(
        "it is handled",
        Effect.sync(() => seen.length === 1)
      )
      assert.include(seen[0], '"payload":{"n":1,"amount":12,"account":12345678901234567890,"rate":1.0}')
    }).pipe(Effect.scoped)
  )
})
