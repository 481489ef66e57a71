import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { AmqpAcknowledger } from "../../packages/amqp/src/internal/AmqpAcknowledger.ts"
import { consumed } from "./support/Consumed.ts"

/** A channel whose broker keeps to the protocol: what it does not know ends the channel. */
class Broker {
  readonly frames: Array<string> = []
  readonly outstanding = new Set<number>()
  isOpen = true

  readonly channel = {
    ack: ({ fields: { deliveryTag: tag } }: { fields: { deliveryTag: number } }, upTo = false) => {
      this.settle(upTo ? `ack ≤ ${tag}` : `ack ${tag}`, tag)
      if (upTo) for (const each of this.outstanding) if (each < tag) this.outstanding.delete(each)
    },
    nack: ({ fields: { deliveryTag: tag } }: { fields: { deliveryTag: number } }) => this.settle(`nack ${tag}`, tag)
  }

  private settle(frame: string, tag: number): void {
    if (!this.isOpen) throw new Error("Channel closed")
    this.frames.push(frame)
    if (!this.outstanding.delete(tag)) throw new Error(`unknown delivery tag ${tag}`)
  }
}

const nextTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const make = (count: number) => {
  const broker = new Broker()
  let stale = 0
  const unacked = new AmqpAcknowledger(
    { channel: broker.channel, isOpen: () => broker.isOpen },
    () => 1,
    () => {
      stale += 1
    }
  )
  const messages = Array.from({ length: count }, (_, i) => consumed({ deliveryTag: i + 1 }))
  for (const each of messages) {
    broker.outstanding.add(each.fields.deliveryTag)
    unacked.add(each)
  }
  return { broker, unacked, messages, stale: () => stale }
}

describe("AmqpAcknowledger", () => {
  it.effect("acknowledges those of one turn in one frame", () =>
    Effect.gen(function* () {
      const { broker, messages, unacked } = make(5)
      for (const i of [1, 0, 2]) unacked.ack(messages[i]!)
      assert.deepStrictEqual(broker.frames, [])
      yield* nextTurn
      assert.deepStrictEqual(broker.frames, ["ack ≤ 3"])
      unacked.ack(messages[3]!)
      yield* nextTurn
      assert.deepStrictEqual(broker.frames, ["ack ≤ 3", "ack 4"])
    })
  )

  it.effect("acknowledges each by itself that comes after an unsettled one", () =>
    Effect.gen(function* () {
      const { broker, messages, unacked } = make(6)
      for (const i of [0, 1, 3, 5]) unacked.ack(messages[i]!)
      yield* nextTurn
      assert.deepStrictEqual(broker.frames, ["ack 4", "ack 6", "ack ≤ 2"])
      for (const i of [4, 2]) unacked.ack(messages[i]!)
      yield* nextTurn
      assert.deepStrictEqual(broker.frames.slice(3), ["ack ≤ 5"])
      assert.deepStrictEqual([...broker.outstanding], [])
    })
  )

  it.effect.prop(
    "settles what is asked for, in whatever order, and nothing else",
    [
      Schema.Array(
        Schema.Struct({
          order: Schema.Int,
          move: Schema.Literals(["ack", "ack in a later turn", "requeue", "nothing"])
        })
      )
    ],
    ([moves]) =>
      Effect.gen(function* () {
        const { broker, messages, unacked } = make(moves.length)
        const all = messages.map((message, i) => ({ message, ...moves[i]! })).toSorted((a, b) => a.order - b.order)
        for (const { message, move } of all) {
          if (move === "ack in a later turn") yield* nextTurn
          if (move === "requeue") unacked.requeue(message)
          else if (move !== "nothing") unacked.ack(message)
        }
        yield* nextTurn
        const left = moves.flatMap(({ move }, i) => (move === "nothing" ? [i + 1] : []))
        assert.deepStrictEqual([...broker.outstanding], left)
      })
  )

  it.effect("counts what the channel did not live to see", () =>
    Effect.gen(function* () {
      const { broker, messages, stale, unacked } = make(4)
      for (const i of [0, 1]) unacked.ack(messages[i]!)
      broker.isOpen = false
      unacked.requeue(messages[2]!)
      assert.strictEqual(stale(), 1)
      yield* nextTurn
      assert.strictEqual(stale(), 3)
      assert.strictEqual(unacked.settledAt, 0)
    })
  )

  it("has settled something already when an acknowledgement has yet to go out", () => {
    const { messages, unacked } = make(1)
    assert.strictEqual(unacked.settledAt, 0)
    unacked.ack(messages[0]!)
    assert.strictEqual(unacked.settledAt, 1)
  })
})
