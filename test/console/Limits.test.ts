import { randomUUID } from "node:crypto"
import { ConsoleApi } from "@effect-eventbus/console"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Broker, EventType, MemoryBroker } from "effect-eventbus"
import { eventually, within } from "../support/eventually.ts"
import * as Site from "./Site.ts"

const MiB = 1024 * 1024
const text = (size: number) => new Uint8Array(size).fill("x".charCodeAt(0))
const console = (options?: Parameters<typeof Site.make>[1], memory?: MemoryBroker.Options) =>
  Site.make(MemoryBroker.layer({ maxBodyBytes: 32 * MiB, ...memory }), options)

const authorization = { authorization: `Bearer ${Site.token}` }
const json = { "content-type": "application/json", [ConsoleApi.header]: "1" }

/** Opens the stream of a page. It begins when it is read. */
const stream = Effect.fnUntraced(function* (site: Site.Site, query = "") {
  const response = yield* site.fetch(`/api/live${query}`, { headers: authorization })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  const read = Effect.promise(async () => (await reader?.read())?.value ?? "")
  return { status: response.status, read, close: Effect.promise(async () => reader?.cancel()) }
})

/** Waits for a job that has begun, and is far from its end. */
const begun = (site: Site.Site, id: string) =>
  eventually(
    "the job has begun",
    Effect.map(site.get(`/jobs/${id}`), ({ body }) => body.tally.done > 0)
  )

describe("The console's limits: looks", () => {
  it.live("keeps eight looks, those that are used before others", () =>
    Effect.gen(function* () {
      const queues = Array.from({ length: 9 }, (_, n) => `queue-${n}`)
      const site = yield* console({ queues })
      const looks: Array<string> = []
      for (const queue of queues) {
        yield* Site.bury(site, [text(1)], queue)
        // The first one is used once more, before there are too many.
        if (looks.length === 8) assert.strictEqual((yield* site.get(`/snapshots/${looks[0]}`)).status, 200)
        looks.push((yield* Site.look(site, queue)).id)
      }
      const statuses = yield* Effect.forEach(looks, (id) =>
        Effect.map(site.get(`/snapshots/${id}`), ({ status }) => status)
      )
      assert.deepStrictEqual(statuses, [200, 410, 200, 200, 200, 200, 200, 200, 200])
    }).pipe(Effect.scoped)
  )

  it.live("keeps 64 MiB of bodies, and looks for the others again", () =>
    Effect.gen(function* () {
      let looks = 0
      const broker = Layer.effect(
        Broker.Broker,
        Effect.map(Broker.Broker, (broker) => ({
          ...broker,
          browse: (queue: string) => Effect.suspend(() => (looks++, broker.browse(queue)))
        }))
      ).pipe(Layer.provide(MemoryBroker.layer({ maxBodyBytes: 32 * MiB })))
      const site = yield* Site.make(broker)
      const ids = yield* Site.bury(site, [text(30 * MiB), text(30 * MiB), text(5 * MiB), text(3 * MiB)])
      const { bytes, count, id } = yield* Site.look(site)
      assert.deepStrictEqual([count, bytes], [4, 68 * MiB])
      const sizeOf = (n: number) =>
        Effect.map(site.get(`/snapshots/${id}/dead-letter?letter=${ids[n]}`), ({ body }) => body.bytes)
      assert.strictEqual(yield* sizeOf(0), 30 * MiB)
      assert.strictEqual(yield* sizeOf(3), 3 * MiB)
      assert.strictEqual(looks, 1)
      assert.strictEqual(yield* sizeOf(2), 5 * MiB)
      assert.strictEqual(looks, 2)
      // An export has the whole of it, too, and a filter knows it without its body.
      const { text: line } = yield* site.get(`/snapshots/${id}/export?ids=${ids[2]}`)
      assert.isAbove(line.length, 5 * MiB)
      assert.strictEqual((yield* site.get(`/snapshots/${id}/dead-letters?reason=NoAccount`)).body.matching, 4)
    }).pipe(Effect.scoped)
  )

  it.live("gives at most 500 rows, of whole numbers, 200 characters of a message, and 256 KiB of a body", () =>
    Effect.gen(function* () {
      const site = yield* console()
      const binary = new Uint8Array(300 * 1024).fill(0xff)
      const ids = yield* Site.bury(site, [text(300 * 1024), binary])
      const { groups, id } = yield* Site.look(site)
      const page = (query: string) => site.get(`/snapshots/${id}/dead-letters?${query}`)
      for (const query of ["limit=501", "limit=1.5", "limit=-1", "offset=-1", "offset=0.5"]) {
        assert.strictEqual((yield* page(query)).status, 422, query)
      }
      const { body: rows } = yield* page("limit=500")
      assert.lengthOf(rows.items[0].message, 200)
      assert.lengthOf(groups[0].sample.message, 200)
      const bodyOf = (letter: string | undefined) =>
        Effect.map(site.get(`/snapshots/${id}/dead-letter?letter=${letter}`), ({ body }) => body)
      const whole = yield* bodyOf(ids[0])
      assert.lengthOf(whole.message, 300)
      assert.deepInclude(whole.body, { _tag: "Text", isCut: true })
      assert.lengthOf(whole.body.text, 256 * 1024)
      const cut = (yield* bodyOf(ids[1])).body
      assert.deepInclude(cut, { _tag: "Bytes", isCut: true })
      assert.lengthOf(Buffer.from(cut.base64, "base64"), 256 * 1024)
    }).pipe(Effect.scoped)
  )

  it.live("looks at the oldest 10,000, and says so", () =>
    Effect.gen(function* () {
      const site = yield* console()
      yield* Site.bury(
        site,
        Array.from({ length: 10_001 }, () => text(1))
      )
      const look = yield* Site.look(site)
      assert.deepInclude(look, { looked: 10_000, waiting: 10_001, count: 10_000 })
      assert.match(look.note, /Only the oldest 10,000/)
    }).pipe(Effect.scoped)
  )
})

describe("The console's limits: streams", () => {
  it.live("feeds 64 pages at once, and another one when one has gone", () =>
    Effect.gen(function* () {
      const site = yield* console()
      const open = Effect.tap(stream(site), ({ read }) => read)
      const streams = yield* Effect.replicateEffect(open, 64)
      assert.deepStrictEqual(new Set(streams.map(({ status }) => status)), new Set([200]))
      const refused = yield* site.get("/live")
      assert.strictEqual(refused.status, 422)
      assert.match(refused.body.message, /64 pages/)
      yield* streams[0]?.close ?? Effect.void
      yield* eventually(
        "there is room",
        Effect.flatMap(stream(site), ({ close, status }) => Effect.as(close, status === 200))
      )
      yield* Effect.forEach(streams.slice(1), ({ close }) => close)
    }).pipe(Effect.scoped)
  )

  it.live("refuses what is no pattern and no trace", () =>
    Effect.gen(function* () {
      const site = yield* console()
      for (const query of ["tail=", `tail=${"a".repeat(300)}`, "trace=1", `trace=${encodeURIComponent("<b>")}`]) {
        assert.strictEqual((yield* site.get(`/live?${query}`)).status, 422, query)
      }
    }).pipe(Effect.scoped)
  )

  it.live(
    "shows at most 50 events of a tail in half a second, counts the others, and hides bodies that are hidden",
    () =>
      Effect.gen(function* () {
        const site = yield* console({ bodies: "hide" })
        const { close, read } = yield* stream(site, `?tail=${encodeURIComponent("tailed.#")}`)
        let said = yield* read
        const Tailed = EventType.untyped("tailed")
        const publish = (count: number) =>
          Effect.flatMap(Effect.replicateEffect(Tailed.event({ secret: "hush" }), count), site.bus.publishAll)
        const batches = () =>
          said
            .split("\n")
            .filter((line) => line.startsWith("data:"))
            .map((line) => JSON.parse(line.slice(5)))
            .filter(({ _tag }) => _tag === "Tail")
        // The first one tells that the tail is there.
        yield* Effect.andThen(
          publish(1),
          Effect.map(read, (more) => (said += more))
        ).pipe(
          Effect.repeat({ until: () => batches().length > 0 }),
          within("the tail begins", "30 seconds", () => said)
        )
        const before = batches().reduce((sum, { events, omitted }) => sum + events.length + omitted, 0)
        yield* publish(400)
        const total = () => batches().reduce((sum, { events, omitted }) => sum + events.length + omitted, 0)
        yield* Effect.map(read, (more) => (said += more)).pipe(
          Effect.repeat({ until: () => total() >= before + 400 }),
          within("all are counted", "30 seconds", () => said.slice(-300))
        )
        assert.isAtMost(Math.max(...batches().map(({ events }) => events.length)), 50)
        assert.isAbove(
          batches().reduce((sum, { omitted }) => sum + omitted, 0),
          0
        )
        assert.notInclude(said, "hush")
        yield* close
      }).pipe(Effect.scoped)
  )
})

describe("The console's limits: jobs", () => {
  it.live("discards only what the look has seen, and only with a look at the same queue", () =>
    Effect.gen(function* () {
      const site = yield* console({ queues: ["billing", "mails"] })
      yield* Site.bury(site, [text(1), text(1)])
      yield* Site.bury(site, [text(1)], "mails")
      const { groups, id } = yield* Site.look(site)
      const [late] = yield* Site.bury(site, [text(1)])
      const discard = (queue: string, selection: object) =>
        site.post(`/queues/${queue}/discard`, { selection, snapshot: id })
      assert.strictEqual((yield* discard("mails", { all: true })).status, 422)
      assert.strictEqual((yield* discard("billing", { reason: "Another" })).status, 422)
      const { body: job } = yield* discard("billing", { fingerprint: groups[0].fingerprint })
      assert.strictEqual((yield* site.ended(job.id)).tally.done, 2)
      const { id: after } = yield* Site.look(site)
      const { body: page } = yield* site.get(`/snapshots/${after}/dead-letters`)
      assert.deepStrictEqual(
        page.items.map(({ id }: { id: string }) => id),
        [late]
      )
    }).pipe(Effect.scoped)
  )

  it.live("discards without an export what it can keep: 1,000 dead letters, or 16 MiB", () =>
    Effect.gen(function* () {
      const site = yield* console({ queues: ["few", "many", "large"] })
      const discard = Effect.fnUntraced(function* (queue: string, bodies: ReadonlyArray<Uint8Array>) {
        yield* Site.bury(site, bodies, queue)
        const { id } = yield* Site.look(site, queue)
        return yield* site.post(`/queues/${queue}/discard`, { selection: { all: true }, snapshot: id })
      })
      const few = yield* discard(
        "few",
        Array.from({ length: 1000 }, () => text(1))
      )
      assert.strictEqual(few.status, 200)
      const { undo } = yield* site.ended(few.body.id)
      assert.deepInclude(undo, { count: 1000, state: "possible" })
      const many = yield* discard(
        "many",
        Array.from({ length: 1001 }, () => text(1))
      )
      assert.deepInclude(many.body, { _tag: "ExportFirst", count: 1001 })
      const large = yield* discard("large", [text(9 * MiB), text(8 * MiB)])
      assert.deepInclude(large.body, { _tag: "ExportFirst", count: 2, bytes: 17 * MiB })
    }).pipe(Effect.scoped)
  )

  it.live("keeps 64 MiB of all jobs together, of the latest ones", () =>
    Effect.gen(function* () {
      const site = yield* console()
      const jobs: Array<string> = []
      for (let n = 0; n < 5; n++) {
        yield* Site.bury(site, [text(15 * MiB)])
        const { id } = yield* Site.look(site)
        const { body } = yield* site.post("/queues/billing/discard", { selection: { all: true }, snapshot: id })
        yield* site.ended(body.id)
        jobs.push(body.id)
      }
      const states = yield* Effect.forEach(jobs, (id) =>
        Effect.map(site.get(`/jobs/${id}`), ({ body }) => body.undo.state)
      )
      assert.deepStrictEqual(states, ["expired", "possible", "possible", "possible", "possible"])
    }).pipe(Effect.scoped)
  )

  it.live("knows the last 20 jobs, and tells at most 20 ids of one, and 20 wrong lines of an import", () =>
    Effect.gen(function* () {
      const site = yield* console()
      const ids = yield* Site.bury(
        site,
        Array.from({ length: 25 }, () => text(1))
      )
      const jobs: Array<string> = []
      for (let n = 0; n < 21; n++) {
        const { body } = yield* site.post("/queues/billing/replay", { selection: { ids: [randomUUID()] } })
        yield* site.ended(body.id)
        jobs.push(body.id)
      }
      assert.lengthOf((yield* site.get("/jobs")).body.jobs, 20)
      assert.strictEqual((yield* site.get(`/jobs/${jobs[0]}`)).status, 404)
      assert.strictEqual((yield* site.get(`/jobs/${jobs[1]}`)).status, 200)
      const { body: all } = yield* site.post("/queues/billing/replay", { selection: { ids } })
      assert.lengthOf(all.selection.ids, 20)
      assert.strictEqual((yield* site.ended(all.id)).tally.done, 25)
      const { body: check } = yield* site.post("/queues/billing/check-import", { ndjson: "no\n".repeat(30) })
      assert.lengthOf(check.issues, 20)
    }).pipe(Effect.scoped)
  )

  it.live("shows the kept look while a job runs, and runs one on each queue", () =>
    Effect.gen(function* () {
      const site = yield* console({ queues: ["billing", "mails"] })
      const bodies = Array.from({ length: 50 }, () => text(1))
      yield* Site.bury(site, bodies)
      yield* Site.bury(site, bodies, "mails")
      const { id } = yield* Site.look(site)
      const slowly = (queue: string) =>
        site.post(`/queues/${queue}/replay`, { selection: { reason: "NoAccount" }, rate: 5 })
      const { body: job } = yield* slowly("billing")
      const { body: other } = yield* slowly("mails")
      yield* begun(site, job.id)
      yield* begun(site, other.id)
      assert.strictEqual((yield* Site.look(site, "billing", false)).id, id)
      const refused = yield* site.post("/queues/mails/look")
      assert.deepInclude(refused.body, { _tag: "Busy", job: other.id })
      assert.strictEqual((yield* site.post(`/jobs/${job.id}/undo`)).status, 409)
      for (const { id } of [job, other]) yield* site.post(`/jobs/${id}/stop`)
      const { body: stopped } = yield* site.get(`/jobs/${job.id}`)
      const { body: detail } = yield* site.get("/queues/billing")
      assert.strictEqual(detail.queue.deadLetters, 50 - stopped.tally.done)
    }).pipe(Effect.scoped)
  )
})

describe("The console's limits: requests", () => {
  it.live("reads no login of more than 4 KiB, and no request of more than 64 MiB", () =>
    Effect.gen(function* () {
      const site = yield* console()
      const logIn = (token: string) =>
        site.ask("/login", { method: "POST", headers: json, body: JSON.stringify({ token }) })
      assert.strictEqual((yield* logIn("x".repeat(4000))).status, 401)
      assert.strictEqual((yield* logIn("x".repeat(4096))).status, 400)
      const { status } = yield* site.post("/queues/billing/check-import", { ndjson: "x".repeat(64 * MiB) })
      assert.isAtLeast(status, 400)
    }).pipe(Effect.scoped)
  )
})
