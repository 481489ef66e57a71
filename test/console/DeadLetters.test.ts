import { randomUUID } from "node:crypto"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { Contract } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Redacted, Schema } from "effect"
import { type Broker, EventType, MemoryBroker, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import { eventually, within } from "../support/eventually.ts"
import * as Site from "./Site.ts"

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "")

/** The tests of the console on any broker. */
const suite = (name: string, layer: () => Layer.Layer<Broker.Broker, unknown>, isSkipped = false) =>
  describe.skipIf(isSkipped)(`The console ${name}`, () => {
    /** A console of a queue of its own. */
    const console = Effect.fnUntraced(function* (options: Parameters<typeof Site.make>[1] = {}) {
      const queue = `billing.${randomUUID()}`
      const site = yield* Site.make(layer(), { queues: [queue], ...options })
      yield* Effect.addFinalizer(() =>
        Effect.ignore(Effect.andThen(site.bus.purge(queue), site.bus.purge(`dlq.${queue}`)))
      )
      return { site, queue }
    })

    it.live("shows the dead letters of one look in groups and pages, and each with its body", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        yield* Site.fail(site, 7, queue)
        const snapshot = yield* Site.look(site, queue)
        assert.deepInclude(snapshot, { queue, looked: 7, waiting: 7, count: 7, types: ["invoice.paid"] })
        assert.deepStrictEqual(
          snapshot.groups.map(({ count, reason }: { count: number; reason: string }) => [reason, count]),
          [
            ["NoAccount", 4],
            ["CardDeclined", 3]
          ]
        )
        const page = yield* site.get(`/snapshots/${snapshot.id}/dead-letters?reason=CardDeclined&offset=1&limit=1`)
        assert.deepInclude(page.body, { matching: 3, offset: 1 })
        assert.lengthOf(page.body.items, 1)
        const [row] = page.body.items
        assert.deepInclude(row, { reason: "CardDeclined", message: "the card was declined", attempts: 1, round: 0 })
        const { body: letter } = yield* site.get(`/snapshots/${snapshot.id}/dead-letter?letter=${row.id}`)
        assert.deepInclude(letter, { id: row.id, index: row.index, type: "invoice.paid", hasSchema: false })
        assert.match(letter.stack, /CardDeclined/)
        assert.strictEqual(letter.body._tag, "Json")
        assert.deepInclude(JSON.parse(letter.payload), { secret: "hush" })
        const newest = yield* site.get(`/snapshots/${snapshot.id}/dead-letters?order=newest`)
        assert.deepStrictEqual(
          newest.body.items.map(({ index }: { index: number }) => index),
          [6, 5, 4, 3, 2, 1, 0]
        )
        assert.strictEqual((yield* site.get(`/snapshots/${snapshot.id}/dead-letters?limit=501`)).status, 422)
        assert.strictEqual((yield* site.get(`/snapshots/${randomUUID()}`)).body._tag, "SnapshotGone")
      }).pipe(Effect.scoped)
    )

    it.live("lets those who look at once share a look, which sees all and changes nothing", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        yield* Site.fail(site, 250, queue)
        const looks = yield* Effect.all(
          [Site.look(site, queue), Site.look(site, queue), Site.look(site, queue, false)],
          { concurrency: "unbounded" }
        )
        assert.lengthOf(new Set(looks.map(({ id }) => id)), 1)
        for (const { looked, waiting } of looks) assert.deepStrictEqual([looked, waiting], [250, 250])
        // It is kept while as many wait.
        assert.strictEqual((yield* Site.look(site, queue, false)).id, looks[0]?.id)
        yield* Site.fail(site, 1, queue)
        assert.strictEqual((yield* Site.look(site, queue, false)).count, 251)
      }).pipe(Effect.scoped)
    )

    it.live("replays a group, says how many, and leaves the rest", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        yield* Site.fail(site, 30, queue)
        const { groups, id } = yield* Site.look(site, queue)
        const handled = yield* Site.handle(site, queue)
        const { body: job } = yield* site.post(`/queues/${queue}/replay`, {
          selection: { fingerprint: groups[1].fingerprint },
          snapshot: id
        })
        assert.deepInclude(job, { kind: "replay", queue, expected: 10 })
        assert.strictEqual(job.command, `eventbus dlq replay ${queue} --fingerprint ${groups[1].fingerprint}`)
        const ended = yield* site.ended(job.id)
        assert.strictEqual(ended.state, "done")
        assert.deepInclude(ended.tally, { waiting: 30, done: 10, skipped: 20, failed: 0 })
        yield* eventually(
          "all are handled",
          Effect.sync(() => handled.count() === 10)
        )
        assert.strictEqual((yield* Site.look(site, queue)).count, 20)
      }).pipe(Effect.scoped)
    )

    it.live("selects the dead letters of a key of an ordered queue", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        const bodies = Array.from({ length: 3 }, () => new TextEncoder().encode("{}"))
        const [first, second] = yield* Site.bury(site, bodies, queue, ["k1", "k 2", "k1"])
        const { groups, id } = yield* Site.look(site, queue)
        assert.deepInclude(groups[0], { count: 3, keys: 2 })
        assert.isNull(groups[0].key)
        const page = yield* site.get(`/snapshots/${id}/dead-letters?key=k1`)
        assert.strictEqual(page.body.matching, 2)
        assert.deepInclude(page.body.items[0], { id: first, key: "k1" })
        const { text } = yield* site.get(`/snapshots/${id}/export?key=k%202`)
        assert.deepStrictEqual(
          linesOf(text).map((line) => JSON.parse(line).key),
          ["k 2"]
        )
        const { body: job } = yield* site.post(`/queues/${queue}/discard`, { selection: { key: "k1" }, snapshot: id })
        assert.deepInclude(job, { kind: "discard", expected: 2 })
        assert.strictEqual(job.command, `eventbus dlq discard ${queue} --key k1`)
        assert.include(job.title, "key k1")
        const { tally } = yield* site.ended(job.id)
        assert.deepInclude(tally, { waiting: 3, done: 2, skipped: 1 })
        const left = yield* Site.look(site, queue)
        assert.deepInclude(left.groups[0], { count: 1, keys: 1, key: "k 2" })
        const { body: letter } = yield* site.get(`/snapshots/${left.id}/dead-letter?letter=${second}`)
        assert.strictEqual(letter.key, "k 2")
      }).pipe(Effect.scoped)
    )

    it.live("tells how many dead letters are left while a job holds them back", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        yield* Site.fail(site, 30, queue)
        const { body: job } = yield* site.post(`/queues/${queue}/replay`, {
          selection: { reason: "CardDeclined" },
          rate: 2
        })
        const done = Effect.map(site.get(`/jobs/${job.id}`), ({ body }) => body.tally.done)
        yield* eventually(
          "the job has begun",
          Effect.map(done, (count) => count > 0),
          { atMost: "60 seconds" }
        )
        const before = yield* done
        const { body: detail } = yield* site.get(`/queues/${queue}`)
        assert.isAtMost(detail.queue.deadLetters, 30 - before)
        assert.isAtLeast(detail.queue.deadLetters, 30 - (yield* done))
        // Its own consumers disturb no look of its own.
        assert.strictEqual(detail.queue.deadLetterConsumers, 0)
        yield* site.post(`/jobs/${job.id}/stop`)
      }).pipe(Effect.scoped)
    )

    it.live("discards a selection, and puts it back within ten minutes, once", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        yield* Site.fail(site, 6, queue)
        const { id } = yield* Site.look(site, queue)
        const { body: page } = yield* site.get(`/snapshots/${id}/dead-letters`)
        const ids = page.items.slice(0, 2).map(({ id }: { id: string }) => id)
        const { body: job } = yield* site.post(`/queues/${queue}/discard`, { selection: { ids }, snapshot: id })
        const ended = yield* site.ended(job.id)
        assert.deepInclude(ended.tally, { done: 2, failed: 0 })
        assert.deepInclude(ended.undo, { count: 2, state: "possible" })
        assert.strictEqual(yield* Site.deadLetters(site.bus, queue), 4)
        assert.lengthOf(linesOf((yield* site.get(`/jobs/${job.id}/kept`)).text), 2)
        const { body: undo } = yield* site.post(`/jobs/${job.id}/undo`)
        assert.deepInclude((yield* site.ended(undo.id)).tally, { done: 2, failed: 0 })
        const again = yield* Site.look(site, queue)
        assert.strictEqual(again.count, 6)
        const { body: after } = yield* site.get(`/snapshots/${again.id}/dead-letters`)
        // They are at the end, with the fault that they had.
        assert.sameMembers(
          after.items.slice(4).map(({ id }: { id: string }) => id),
          ids
        )
        assert.isString(after.items[5].reason)
        assert.strictEqual((yield* site.post(`/jobs/${job.id}/undo`)).status, 422)
      }).pipe(Effect.scoped)
    )

    it.live("edits one and replays it, and says at which place a schema refuses", () =>
      Effect.gen(function* () {
        const Checked = EventType.make("invoice.paid", {
          payload: Schema.Struct({ n: Schema.Int, secret: Schema.String })
        })
        const contract = yield* Contract.fromExports({ Checked }, { title: "shop", version: "1.0.0" })
        const { queue, site } = yield* console({ contract })
        yield* Site.fail(site, 2, queue)
        const { id } = yield* Site.look(site, queue)
        const { body: page } = yield* site.get(`/snapshots/${id}/dead-letters`)
        const letter = page.items[0].id
        const check = (payload: string) => site.post(`/queues/${queue}/check-edit`, { snapshot: id, letter, payload })
        const wrong = yield* check('{"n":1.5,"secret":7}')
        assert.strictEqual(wrong.body.hasSchema, true)
        assert.sameDeepMembers(
          wrong.body.issues.map(({ path }: { path: ReadonlyArray<string> }) => path),
          [["n"], ["secret"]]
        )
        assert.match((yield* check('{"n":')).body.issues[0].message, /not JSON/)
        assert.match((yield* check("7")).body.issues[0].message, /not a JSON object/)
        const right = '{"n":9,"secret":"mended"}'
        assert.deepInclude((yield* check(right)).body, {
          issues: [],
          after: JSON.stringify(JSON.parse(right), null, 2)
        })
        const edit = (payload: string) => site.post(`/queues/${queue}/edit`, { snapshot: id, letter, payload })
        assert.strictEqual((yield* edit('{"n":1.5,"secret":7}')).status, 422)
        const handled = yield* Site.handle(site, queue)
        const { body: job } = yield* edit(right)
        assert.strictEqual((yield* site.ended(job.id)).state, "done")
        yield* eventually(
          "it is handled",
          Effect.sync(() => handled.count() === 1)
        )
        // The body that it had is there for download.
        assert.include((yield* site.get(`/jobs/${job.id}/kept`)).text, "hush")
        assert.strictEqual(yield* Site.deadLetters(site.bus, queue), 1)
      }).pipe(Effect.scoped)
    )

    it.live("exports as NDJSON what it imports, and imports nothing of a file with a wrong line", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        yield* Site.fail(site, 3, queue)
        const { id } = yield* Site.look(site, queue)
        const { headers, text: ndjson } = yield* site.get(`/snapshots/${id}/export?reason=NoAccount`)
        assert.match(headers.get("content-type") ?? "", /ndjson/)
        assert.lengthOf(linesOf(ndjson), 2)
        const { body: check } = yield* site.post(`/queues/${queue}/check-import`, { ndjson: `${ndjson}\nnot one` })
        assert.deepInclude(check, { count: 2 })
        // An import would double them, as the look tells.
        assert.deepInclude(check.there, { count: 2, ids: linesOf(ndjson).map((line) => JSON.parse(line).id) })
        assert.deepStrictEqual(
          check.issues.map(({ line }: { line: number }) => line),
          [4]
        )
        assert.strictEqual((yield* site.post(`/queues/${queue}/import`, { ndjson: `${ndjson}{}` })).status, 422)
        const { body: job } = yield* site.post(`/queues/${queue}/import`, { ndjson })
        assert.deepInclude((yield* site.ended(job.id)).tally, { done: 2, failed: 0 })
        // What the look had may be gone since, or come.
        assert.isNotOk((yield* site.post(`/queues/${queue}/check-import`, { ndjson })).body.there)
        assert.strictEqual((yield* Site.look(site, queue)).count, 5)
        const other = ndjson.replaceAll(/"id":"[^"]*"/g, `"id":"${randomUUID()}"`)
        const { body: again } = yield* site.post(`/queues/${queue}/check-import`, { ndjson: `${ndjson}${other}` })
        assert.deepInclude(again, { count: 4 })
        assert.strictEqual(again.there.count, 2)
      }).pipe(Effect.scoped)
    )

    it.live("shows the pulse, the jobs, a tail and a trace in one stream", () =>
      Effect.gen(function* () {
        const { queue, site } = yield* console()
        const traceId = randomUUID()
        yield* Site.fail(site, 1, queue, traceId)
        const response = yield* site.fetch(
          `/api/live?tail=${encodeURIComponent("#")}&trace=${traceId}&queue=${queue}`,
          {
            headers: { authorization: `Bearer ${Site.token}` }
          }
        )
        assert.match(response.headers.get("content-type") ?? "", /event-stream/)
        const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
        let said = ""
        const read = Effect.promise(async () => {
          const { done, value } = (await reader?.read()) ?? { done: true, value: "" }
          assert.isFalse(done, said)
          said += value ?? ""
        })
        const until = (expected: RegExp) =>
          Effect.suspend(() => read).pipe(
            Effect.repeat({ until: () => expected.test(said) }),
            within(`the stream has ${expected}`, "30 seconds", () => said)
          )
        yield* until(/"_tag":"Pulse"/)
        yield* until(/"_tag":"Trace"[^\n]*"reason":"CardDeclined"/)
        const caused = yield* Site.Paid.event({ n: 1, mark: "tailed" }, { traceId })
        yield* site.bus.publish(caused)
        yield* until(/"_tag":"Tail"[^\n]*tailed/)
        yield* until(new RegExp(`"_tag":"Trace"[^\\n]*${caused.eventId}`))
        const { body: job } = yield* site.post(`/queues/${queue}/replay`, { selection: { all: true } })
        yield* until(new RegExp(`"_tag":"Jobs"[^\\n]*${job.id}[^\\n]*"state":"done"`))
        yield* Effect.promise(async () => reader?.cancel())
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

describe("The console", () => {
  const console = (options?: Parameters<typeof Site.make>[1]) => Site.make(MemoryBroker.layer(), options)

  it.live("replays all only where that is asked for, and nothing by accident", () =>
    Effect.gen(function* () {
      const site = yield* console()
      yield* Site.fail(site, 2)
      for (const selection of [{}, { ids: [] }, { all: true, reason: "NoAccount" }, { all: false }]) {
        assert.strictEqual((yield* site.post("/queues/billing/replay", { selection })).status, 422)
      }
      const { status } = yield* site.post("/queues/billing/replay", { selection: { all: true }, rate: 0 })
      assert.strictEqual(status, 422)
      const { body } = yield* site.post("/queues/billing/replay", { selection: { all: true } })
      assert.strictEqual((yield* site.ended(body.id)).tally.done, 2)
    }).pipe(Effect.scoped)
  )

  it.live("runs one job a queue, stops it between two dead letters, and looks when it has ended", () =>
    Effect.gen(function* () {
      const site = yield* console({ queues: ["billing", "mails"] })
      yield* Site.fail(site, 100)
      yield* Site.look(site)
      const { body: job } = yield* site.post("/queues/billing/replay", { selection: { all: true }, rate: 4 })
      const second = yield* site.post("/queues/billing/replay", { selection: { all: true } })
      assert.deepInclude(second.body, { _tag: "Busy", queue: "billing", job: job.id })
      assert.strictEqual((yield* site.post("/queues/billing/look", { again: true })).status, 409)
      yield* eventually(
        "some are replayed",
        Effect.map(site.get(`/jobs/${job.id}`), ({ body }) => body.tally.done > 2)
      )
      const { body: stopped } = yield* site.post(`/jobs/${job.id}/stop`)
      assert.strictEqual(stopped.state, "stopped")
      const { done } = stopped.tally
      assert.isBelow(done, 100)
      assert.strictEqual((yield* Site.look(site)).count, 100 - done)
      const { body: all } = yield* site.get("/jobs")
      assert.deepStrictEqual(
        all.jobs.map(({ id }: { id: string }) => id),
        [job.id]
      )
      assert.strictEqual((yield* site.get("/jobs/none")).body._tag, "NotFound")
    }).pipe(Effect.scoped)
  )

  it.live("looks at 10,000, and discards more than it can keep only after an export", () =>
    Effect.gen(function* () {
      const site = yield* console()
      yield* Site.fail(site, 10_000)
      const { count, groups, id } = yield* Site.look(site)
      assert.strictEqual(count, 10_000)
      const last = yield* site.get(`/snapshots/${id}/dead-letters?offset=9500&limit=500`)
      assert.lengthOf(last.body.items, 500)
      const payload = { selection: { fingerprint: groups[0].fingerprint }, snapshot: id }
      const refused = yield* site.post("/queues/billing/discard", payload)
      assert.deepInclude(refused.body, { _tag: "ExportFirst", count: groups[0].count })
      const { text } = yield* site.get(`/snapshots/${id}/export?fingerprint=${groups[0].fingerprint}`)
      assert.lengthOf(linesOf(text), groups[0].count)
      const { body: job } = yield* site.post("/queues/billing/discard", payload)
      const ended = yield* site.ended(job.id)
      assert.strictEqual(ended.tally.done, groups[0].count)
      assert.strictEqual(ended.undo.state, "expired")
      assert.strictEqual(yield* Site.deadLetters(site.bus), 10_000 - groups[0].count)
    }).pipe(Effect.scoped)
  )

  it.live("knows the queues that it is told of, and those of this process, and names like ones for others", () =>
    Effect.gen(function* () {
      const site = yield* console()
      yield* Site.handle(site, "mails")
      const { body: pulse } = yield* site.get("/pulse")
      assert.deepStrictEqual(
        pulse.queues.map(({ exists, name }: { exists: boolean; name: string }) => [name, exists]),
        [
          ["billing", false],
          ["mails", true]
        ]
      )
      assert.strictEqual(pulse.health.status, "healthy")
      const { body, status } = yield* site.get("/queues/bill")
      assert.strictEqual(status, 404)
      assert.deepStrictEqual(body.similar, ["billing"])
      assert.strictEqual((yield* site.post("/queues/other/look")).status, 404)
      // Without a queue there are no dead letters to look at.
      assert.strictEqual((yield* site.post("/queues/billing/look")).body.reason, "NotFound")
    }).pipe(Effect.scoped)
  )

  it.live("pauses and resumes the subscriptions of this process, and says so where none hears it", () =>
    Effect.gen(function* () {
      const site = yield* console({ queues: ["billing", "mails"] })
      yield* Site.handle(site)
      const state = Effect.map(site.get("/queues/billing"), ({ body }) => body.queue.subscriptions[0])
      assert.strictEqual((yield* site.post("/queues/billing/pause", { by: "ada", forMillis: 3_600_000 })).status, 204)
      assert.deepInclude(yield* state, { state: "paused", by: "ada" })
      assert.strictEqual((yield* site.post("/queues/billing/resume")).status, 204)
      assert.deepInclude(yield* state, { state: "running" })
      assert.strictEqual((yield* site.post("/queues/billing/pause", { forMillis: 0 })).status, 422)
      const { body } = yield* site.post("/queues/mails/pause")
      assert.match(body.message, /Control\.layer/)
    }).pipe(Effect.scoped)
  )

  it.live("shows a contract, explains a routing key, and says what is missing without one", () =>
    Effect.gen(function* () {
      const subscription = Subscription.make("billing", { events: [Site.Paid] })
      const contract = yield* Contract.fromExports({ subscription }, { title: "shop", version: "1.2.0" })
      const site = yield* console({ contract })
      const { body: session } = yield* site.get("/session")
      assert.deepStrictEqual(session.contract, { title: "shop", version: "1.2.0" })
      assert.deepStrictEqual(session.features.explain, { available: true })
      const { body: contracts } = yield* site.get("/contracts")
      assert.deepInclude(contracts.types[0], { name: "invoice.paid", queues: ["billing"] })
      assert.strictEqual(contracts.asyncApi.asyncapi, "3.0.0")
      const { body: explained } = yield* site.get("/explain?key=invoice.paid.normal")
      assert.deepStrictEqual(
        explained.receivers.map(({ queue }: { queue: string }) => queue),
        ["billing"]
      )
      const { body: topology } = yield* site.get("/topology")
      assert.include(
        topology.graph.edges.map(({ label }: { label: string }) => label),
        "dead letters"
      )
      const bare = yield* console()
      for (const path of ["/contracts", "/explain?key=x", "/topology", "/doctor", "/outbox", "/schedule"]) {
        const { body, status } = yield* bare.get(path)
        assert.deepStrictEqual([status, body._tag], [501, "NotAvailable"], path)
        assert.match(body.message, /start (the console|it)|in memory/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("shows the outbox and the schedule of the application, and mends them", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const site = yield* console({
        storage: {
          outbox: {
            stats: Effect.succeed({ waiting: 2, parked: 1, oldest: 5000 }),
            parked: Effect.succeed([
              {
                eventId: "e-1",
                eventType: "a.b",
                key: undefined,
                bytes: 3,
                parkedAt: new Date(1000),
                reason: "TooLarge"
              }
            ]),
            requeue: (id) => Effect.sync(() => asked.push(`requeue ${id}`))
          },
          schedule: {
            list: Effect.succeed([{ id: "s-1", eventType: "a.b", key: "k", due: new Date(2000) }]),
            cancel: (id) => Effect.succeed(id === "s-1")
          }
        }
      })
      const { body: outbox } = yield* site.get("/outbox")
      assert.deepInclude(outbox, { waiting: 2, oldest: 5000, parkedCount: 1 })
      assert.deepInclude(outbox.parked[0], { id: "e-1", parkedAt: 1000 })
      assert.strictEqual((yield* site.post("/outbox/requeue", {})).status, 422)
      assert.strictEqual((yield* site.post("/outbox/requeue", { id: "e-1" })).status, 200)
      assert.deepStrictEqual(asked, ["requeue e-1"])
      assert.deepInclude((yield* site.get("/schedule")).body.events[0], { id: "s-1", due: 2000 })
      assert.strictEqual((yield* site.post("/schedule/s-1/cancel")).status, 204)
      assert.strictEqual((yield* site.post("/schedule/s-2/cancel")).status, 404)
    }).pipe(Effect.scoped)
  )
})
