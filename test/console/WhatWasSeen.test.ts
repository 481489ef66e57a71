import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"
import * as Site from "./Site.ts"

const encoder = new TextEncoder()
const event = (n: number) => encoder.encode(JSON.stringify({ payload: { n } }))

/** A console of three dead letters of one group, of which one is gone since the look and another one has come. */
const moved = Effect.gen(function* () {
  const site = yield* Site.make(MemoryBroker.layer(), {})
  const [gone = ""] = yield* Site.bury(site, [event(1), event(2), event(3)])
  const look = yield* Site.look(site)
  const letters = site.bus.deadLetters("billing")
  yield* letters.discard({ ids: [gone] })
  const [come] = yield* Site.bury(site, [event(4)])
  const left = Effect.map(letters.peek({ limit: 100 }), ({ letters }) => letters.map(({ id }) => id))
  return { site, look, left, come }
})

describe("What the operator has seen", () => {
  for (const action of ["replay", "discard"]) {
    it.live(`is all that a ${action} of a group takes: what came since stays, what is gone is told`, () =>
      Effect.gen(function* () {
        const { come, left, look, site } = yield* moved
        const selection = { fingerprint: look.groups[0].fingerprint }
        const { body: job } = yield* site.post(`/queues/billing/${action}`, { selection, snapshot: look.id })
        assert.strictEqual(job.expected, 3)
        const { tally } = yield* site.ended(job.id)
        assert.deepInclude(tally, { done: 2, skipped: 1, failed: 0 })
        assert.lengthOf(tally.refusals, 1)
        assert.deepInclude(tally.refusals[0], { count: 1, message: "it was no longer there, or had changed" })
        assert.deepStrictEqual(yield* left, [come])
      }).pipe(Effect.scoped)
    )
  }

  it.live("is compared with the next look: it tells which of those replayed failed again, and counts no other", () =>
    Effect.gen(function* () {
      const site = yield* Site.make(MemoryBroker.layer(), {})
      yield* Site.fail(site, 4)
      const { id: snapshot } = yield* Site.look(site)
      const again = Handler.make(Subscription.make("billing", { events: [Site.Paid] }), ({ payload }) =>
        payload["n"] === 0 ? Effect.fail("again") : Effect.void
      )
      yield* site.bus.subscribe(Handler.onFailure(again, FailurePolicy.deadLetter))
      const { body: job } = yield* site.post("/queues/billing/replay", { selection: { all: true }, snapshot })
      yield* site.ended(job.id)
      yield* eventually(
        "one failed again",
        Effect.map(Site.deadLetters(site.bus), (count) => count === 1)
      )
      const failedAgain = Effect.map(site.get(`/jobs/${job.id}`), ({ body }) => body.failedAgain)
      assert.isNull(yield* failedAgain)
      yield* Site.bury(site, [event(1), event(2)])
      const look = yield* Site.look(site)
      assert.strictEqual(look.count, 3)
      assert.deepStrictEqual(yield* failedAgain, { count: 1, at: look.takenAt })
    }).pipe(Effect.scoped)
  )

  it.live("is no bound where all of the queue are replayed", () =>
    Effect.gen(function* () {
      const { left, look, site } = yield* moved
      const { body: job } = yield* site.post("/queues/billing/replay", { selection: { all: true }, snapshot: look.id })
      assert.deepInclude((yield* site.ended(job.id)).tally, { done: 3, skipped: 0 })
      assert.deepStrictEqual(yield* left, [])
    }).pipe(Effect.scoped)
  )

  it.live("is looked at again when a page opens and the number is another one", () =>
    Effect.gen(function* () {
      const site = yield* Site.make(MemoryBroker.layer(), {})
      yield* Site.bury(site, [event(1)])
      const open = Site.look(site, "billing", false)
      const first = yield* open
      assert.strictEqual((yield* open).id, first.id)
      yield* Site.bury(site, [event(2)])
      const second = yield* open
      assert.notStrictEqual(second.id, first.id)
      assert.strictEqual(second.count, 2)
    }).pipe(Effect.scoped)
  )
})
