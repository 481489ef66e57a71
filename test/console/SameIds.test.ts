import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MemoryBroker } from "effect-eventbus"
import * as Site from "./Site.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const event = (deadline: string) => encoder.encode(JSON.stringify({ payload: { deadline } }))

/** A console of dead letters, each of which is there once more with another payload of the same length. */
const mended = Effect.gen(function* () {
  const site = yield* Site.make(MemoryBroker.layer(), {})
  const ids = yield* Site.bury(site, [event("never"), event("never"), event("today")])
  const letters = site.bus.deadLetters("billing")
  for (const letter of (yield* letters.peek({ ids: ids.slice(0, 2) })).letters) {
    yield* letters.put({ ...letter, envelope: { ...letter.envelope, body: event("later") } })
  }
  const { id: snapshot } = yield* Site.look(site)
  const left = Effect.map(letters.peek({ limit: 100 }), ({ letters }) =>
    letters.map(({ envelope }) => JSON.parse(decoder.decode(envelope.body)).payload.deadline).toSorted()
  )
  return { site, ids, snapshot, left }
})

describe("Dead letters with the same ids", () => {
  it.live("are told apart when they are discarded by a filter", () =>
    Effect.gen(function* () {
      const { left, site, snapshot } = yield* mended
      const { body: job } = yield* site.post("/queues/billing/discard", { selection: { text: "never" }, snapshot })
      assert.strictEqual(job.expected, 2)
      const { tally, undo } = yield* site.ended(job.id)
      assert.deepStrictEqual([tally.done, undo.count], [2, 2])
      assert.deepStrictEqual(yield* left, ["later", "later", "today"])
    }).pipe(Effect.scoped)
  )

  it.live("are told apart when they are replayed by a text of what is hidden", () =>
    Effect.gen(function* () {
      const site = yield* Site.make(MemoryBroker.layer(), { bodies: (letter) => letter })
      const [id = ""] = yield* Site.bury(site, [event("never")])
      const letters = site.bus.deadLetters("billing")
      const [letter] = (yield* letters.peek({ ids: [id] })).letters
      assert.isDefined(letter)
      yield* letters.put({ ...letter, envelope: { ...letter.envelope, body: event("later") } })
      const { id: snapshot } = yield* Site.look(site)
      const { body: job } = yield* site.post("/queues/billing/replay", { selection: { text: "never" }, snapshot })
      assert.strictEqual((yield* site.ended(job.id)).tally.done, 1)
      const { letters: rest } = yield* letters.peek()
      assert.deepStrictEqual(
        rest.map(({ envelope }) => decoder.decode(envelope.body)),
        [decoder.decode(event("later"))]
      )
    }).pipe(Effect.scoped)
  )

  it.live("are not changed by their ids, which would change others, too", () =>
    Effect.gen(function* () {
      const { ids, left, site, snapshot } = yield* mended
      const selection = { ids: ids.slice(0, 1) }
      for (const action of ["discard", "replay"]) {
        const { body, status } = yield* site.post(`/queues/billing/${action}`, { selection, snapshot })
        assert.strictEqual(status, 422)
        assert.match(body.message, /^2 dead letters have this id\. Select by a filter/)
      }
      const edit = { snapshot, letter: ids[0], payload: `{"deadline":"soon"}` }
      assert.strictEqual((yield* site.post("/queues/billing/edit", edit)).status, 422)
      const { body: alone } = yield* site.post("/queues/billing/discard", {
        selection: { ids: ids.slice(2) },
        snapshot
      })
      assert.strictEqual((yield* site.ended(alone.id)).tally.done, 1)
      assert.deepStrictEqual(yield* left, ["later", "later", "never", "never"])
    }).pipe(Effect.scoped)
  )

  it.live("are all discarded where nothing tells them apart", () =>
    Effect.gen(function* () {
      const { left, site } = yield* mended
      const letters = site.bus.deadLetters("billing")
      for (const letter of (yield* letters.peek({ text: "today" })).letters) yield* letters.put(letter)
      const { id: snapshot } = yield* Site.look(site)
      const { body: job } = yield* site.post("/queues/billing/discard", { selection: { text: "today" }, snapshot })
      assert.strictEqual((yield* site.ended(job.id)).tally.done, 2)
      assert.deepStrictEqual(yield* left, ["later", "later", "never", "never"])
    }).pipe(Effect.scoped)
  )
})
