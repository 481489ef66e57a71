import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Broker, DeadLetter } from "effect-eventbus"
import * as Result from "effect/Result"
import { FirstLetters } from "../../packages/eventbus/src/subscribe/internal/FirstLetters.ts"

const { envelope } = Result.getOrThrow(
  DeadLetter.fromJson({ routing_key: "moved.normal", priority: "normal", round: 0, body: "{}" })
)

const letter = (place: number, bytes = 0): Broker.Browsed => ({
  envelope: { ...envelope, place, body: new Uint8Array(bytes) },
  remove: Effect.void
})

const added = (...letters: ReadonlyArray<Broker.Browsed>) => {
  const first = new FirstLetters()
  for (const one of letters) first.add(one)
  return first
}

const places = ({ letters }: FirstLetters) => letters.map(({ envelope }) => envelope.place)

describe("The first dead letters of a key", () => {
  it("are in the order of their places, however they lie", () => {
    const first = added(letter(3), letter(4), letter(0), letter(2), letter(1))
    assert.deepStrictEqual(places(first), [0, 1, 2, 3, 4])
    assert.deepStrictEqual([first.next, first.hasMore], [5, false])
  })

  it("are a thousand at most, the first ones", () => {
    const first = added(...Array.from({ length: 1500 }, (_, n) => letter(1499 - n)))
    assert.lengthOf(first.letters, 1000)
    assert.deepStrictEqual(
      places(first),
      Array.from({ length: 1000 }, (_, n) => n)
    )
    assert.deepStrictEqual([first.next, first.hasMore], [1500, true])
  })

  it("have 16 MiB at most, but for one that is larger by itself", () => {
    const mib = 1024 * 1024
    assert.deepStrictEqual(places(added(letter(0, 9 * mib), letter(1, 7 * mib), letter(2, 1))), [0, 1])
    const large = added(letter(1, 20 * mib), letter(0, 20 * mib))
    assert.deepStrictEqual([places(large), large.hasMore], [[0], true])
  })
})
