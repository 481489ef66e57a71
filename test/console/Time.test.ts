import { Access } from "@effect-eventbus/console"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Logger, Redacted } from "effect"
import { Broker, Handler, FailurePolicy, MemoryBroker, PublishError, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"
import { eventually } from "../support/eventually.ts"
import * as Site from "./Site.ts"

const minutes = (count: number) => `${count} minutes` as const

/** A console with a clock of its own. The broker and the test have the real one. */
const console = Effect.fnUntraced(function* (
  options: Parameters<typeof Site.make>[1] = {},
  broker: Parameters<typeof Site.make>[0] = MemoryBroker.layer()
) {
  const clock = yield* TestClock.make()
  const site = yield* Site.make(broker, options, Context.make(Clock.Clock, clock))
  return { clock, site }
})

/** Discards all dead letters that a look sees, and returns the job when it has ended. */
const discard = Effect.fnUntraced(function* (site: Site.Site, queue = "billing") {
  const { id } = yield* Site.look(site, queue)
  const { body } = yield* site.post(`/queues/${queue}/discard`, { selection: { all: true }, snapshot: id })
  return yield* site.ended(body.id)
})

/** A broker whose dead letters take only so many from now on, until it is told of another number. */
const limited = Effect.sync(() => {
  let left = Infinity
  const layer = Layer.effect(
    Broker.Broker,
    Effect.map(Broker.Broker, (broker) => ({
      ...broker,
      put: (...args: Parameters<typeof broker.put>) =>
        Effect.suspend(() =>
          left-- > 0 ? broker.put(...args) : Effect.fail(new PublishError.TooLarge({ bytes: 1, limit: 0 }))
        )
    }))
  ).pipe(Layer.provide(MemoryBroker.layer()))
  return { layer, allow: (count: number) => void (left = count) }
})

describe("The console, as time goes by", () => {
  it.live("undoes a discard for ten minutes, and no longer", () =>
    Effect.gen(function* () {
      const { clock, site } = yield* console()
      yield* Site.fail(site, 2)
      const first = yield* discard(site)
      assert.strictEqual(first.undo.until - first.endedAt, 600_000)
      yield* clock.adjust(minutes(10))
      const { body: undo } = yield* site.post(`/jobs/${first.id}/undo`)
      assert.strictEqual((yield* site.ended(undo.id)).tally.done, 2)
      assert.strictEqual((yield* site.get(`/jobs/${first.id}`)).body.undo.state, "done")

      const second = yield* discard(site)
      yield* clock.adjust(600_001)
      const late = yield* site.post(`/jobs/${second.id}/undo`)
      assert.strictEqual(late.status, 422)
      assert.match(late.body.message, /no longer/)
      assert.strictEqual((yield* site.get(`/jobs/${second.id}`)).body.undo.state, "expired")
      assert.strictEqual((yield* site.get(`/jobs/${second.id}/kept`)).status, 404)
      assert.strictEqual(yield* Site.deadLetters(site.bus), 0)
    }).pipe(Effect.scoped)
  )

  it.live("keeps what an undo could not put back, for another one", () =>
    Effect.gen(function* () {
      const broker = yield* limited
      const { site } = yield* console({}, broker.layer)
      const ids = yield* Site.bury(
        site,
        Array.from({ length: 5 }, () => new Uint8Array(1))
      )
      const job = yield* discard(site)
      broker.allow(2)
      const { body: undo } = yield* site.post(`/jobs/${job.id}/undo`)
      const failed = yield* site.ended(undo.id)
      assert.deepInclude(failed, { state: "failed" })
      assert.deepInclude(failed.tally, { done: 2, failed: 1 })
      assert.deepInclude((yield* site.get(`/jobs/${job.id}`)).body.undo, { count: 3, state: "possible" })
      broker.allow(Infinity)
      const { body: rest } = yield* site.post(`/jobs/${job.id}/undo`)
      assert.strictEqual((yield* site.ended(rest.id)).tally.done, 3)
      const { id } = yield* Site.look(site)
      const { body: page } = yield* site.get(`/snapshots/${id}/dead-letters`)
      assert.deepStrictEqual(
        page.items.map(({ id }: { id: string }) => id),
        ids
      )
      assert.strictEqual((yield* site.post(`/jobs/${job.id}/undo`)).status, 422)
    }).pipe(Effect.scoped)
  )

  it.live("keeps a look for ten minutes", () =>
    Effect.gen(function* () {
      const { clock, site } = yield* console()
      yield* Site.fail(site, 1)
      const { id } = yield* Site.look(site)
      yield* clock.adjust(minutes(10))
      assert.strictEqual((yield* site.get(`/snapshots/${id}`)).status, 200)
      assert.strictEqual((yield* Site.look(site, "billing", false)).id, id)
      yield* clock.adjust(1)
      assert.strictEqual((yield* site.get(`/snapshots/${id}`)).body._tag, "SnapshotGone")
      assert.notStrictEqual((yield* Site.look(site, "billing", false)).id, id)
    }).pipe(Effect.scoped)
  )

  it.live("takes the code of a link for ten minutes, and the latest sixteen", () =>
    Effect.gen(function* () {
      const own = Access.token({ name: 1, token: Redacted.make(Site.token) })
      const { clock, site } = yield* console({ access: own })
      const code = Effect.provideService(own.login.code, Clock.Clock, clock)
      const logIn = (code: string) => Effect.map(site.ask(`/login?code=${code}`), ({ status }) => status)
      const early = yield* code
      yield* clock.adjust(minutes(10))
      assert.strictEqual(yield* logIn(early), 303)
      const late = yield* code
      yield* clock.adjust(600_001)
      assert.strictEqual(yield* logIn(late), 401)
      const [first = "", second = ""] = yield* Effect.replicateEffect(code, 17)
      assert.strictEqual(yield* logIn(first), 401)
      assert.strictEqual(yield* logIn(second), 303)
    }).pipe(Effect.scoped)
  )

  it.live("says whether one that was edited came back", () =>
    Effect.gen(function* () {
      const { clock, site } = yield* console()
      yield* Site.fail(site, 3)
      yield* eventually(
        "all have failed",
        Effect.map(Site.deadLetters(site.bus), (count) => count === 3)
      )
      const handled = Handler.make(Subscription.make("billing", { events: [Site.Paid] }), () => Effect.void)
      yield* site.bus.subscribe(handled)
      const { id } = yield* Site.look(site)
      const { body: page } = yield* site.get(`/snapshots/${id}/dead-letters`)
      const { body } = yield* site.post("/queues/billing/edit", {
        snapshot: id,
        letter: page.items[0].id,
        payload: JSON.stringify({ n: 1, secret: "mended" })
      })
      yield* site.ended(body.id)
      yield* eventually(
        "the console counts them",
        Effect.andThen(
          clock.adjust("3 seconds"),
          Effect.map(site.get(`/jobs/${body.id}`), ({ body }) => body.cameBack === 0)
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("does not say of those that were edited and kept that they came back", () =>
    Effect.gen(function* () {
      const { clock, site } = yield* console()
      yield* Site.fail(site, 3)
      const { id: snapshot } = yield* Site.look(site)
      const given = { selection: { all: true }, snapshot, changes: [{ _tag: "Set", pointer: "/secret", value: "7" }] }
      const { body: kept } = yield* site.post("/queues/billing/edit-all", { ...given, keep: true })
      assert.strictEqual((yield* site.ended(kept.id)).tally.done, 3)
      const { id: later } = yield* Site.look(site)
      const { body: replayed } = yield* site.post("/queues/billing/edit-all", { ...given, snapshot: later })
      yield* site.ended(replayed.id)
      yield* eventually(
        "the console counts those that came back of the second",
        Effect.andThen(
          clock.adjust("3 seconds"),
          Effect.map(site.get(`/jobs/${replayed.id}`), ({ body }) => body.cameBack === 0)
        )
      )
      assert.isNull((yield* site.get(`/jobs/${kept.id}`)).body.cameBack)
    }).pipe(Effect.scoped)
  )

  it.live("says how many dead letters came while a replay ran, three seconds later", () =>
    Effect.gen(function* () {
      const { clock, site } = yield* console()
      yield* Site.fail(site, 3)
      const again = Handler.make(Subscription.make("billing", { events: [Site.Paid] }), () => Effect.fail("again"))
      yield* site.bus.subscribe(Handler.onFailure(again, FailurePolicy.deadLetter))
      const { body } = yield* site.post("/queues/billing/replay", { selection: { all: true } })
      yield* site.ended(body.id)
      yield* eventually(
        "all failed again",
        Effect.map(Site.deadLetters(site.bus), (count) => count === 3)
      )
      const cameBack = Effect.map(site.get(`/jobs/${body.id}`), ({ body }) => body.cameBack)
      assert.isNotOk(yield* cameBack)
      yield* eventually(
        "the console counts them",
        Effect.andThen(
          clock.adjust("3 seconds"),
          Effect.map(cameBack, (count) => count === 3)
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("leaves a line of each job in the log, with who asked for it and what became of it", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))])
      const site = yield* Site.make(
        MemoryBroker.layer(),
        { access: Access.make(() => Effect.succeed({ name: "ada" })) },
        yield* Layer.build(log)
      )
      yield* Site.fail(site, 2)
      yield* discard(site)
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /discard of all of .*billing.* ended: 2 done, 0 skipped, 0 failed/)
      assert.match(lines[0] ?? "", /queue=billing by=ada/)
    }).pipe(Effect.scoped)
  )
})
