import { assert, describe, it } from "@effect/vitest"
import { added, maxMoments } from "../../../packages/console/ui/src/state/history.ts"
import { pathOf, perSecond, thinned } from "../../../packages/console/ui/src/text/chart.ts"

const box = { width: 100, height: 10, since: 0, until: 10_000 }
const pulse = (at: number, messages: number): Parameters<typeof added>[1] => ({
  at,
  health: { status: "healthy", connected: true, details: {} },
  queues: [{ name: "billing", exists: true, messages, consumers: 1, deadLetters: 2, subscriptions: [] }]
})

describe("the charts of the console", () => {
  it("draw a line from the left to the right, as high as the largest count", () => {
    const points = [
      { at: 0, value: 0 },
      { at: 5000, value: 20 },
      { at: 10_000, value: 5 }
    ]
    assert.strictEqual(pathOf(points, box), "M0 10L50 0L100 7.5")
    assert.strictEqual(pathOf([{ at: 10_000, value: 0 }], box), "M100 10")
  })

  it("draw nothing where there are no counts", () => {
    const points = [0, 1000, 9000, 10_000].map((at) => ({ at, value: 0 }))
    assert.strictEqual(pathOf(points, box), "M0 10L10 10M90 10L100 10")
  })

  it("tell the change of the last minute, once it is known for five seconds", () => {
    assert.isUndefined(perSecond([]))
    assert.isUndefined(
      perSecond([
        { at: 0, value: 0 },
        { at: 4999, value: 9 }
      ])
    )
    const points = [0, 60_000, 120_000].map((at) => ({ at, value: at / 1000 }))
    assert.strictEqual(perSecond([...points, { at: 120_001, value: 0 }].slice(0, 3)), 1)
    assert.strictEqual(perSecond([...points, { at: 130_000, value: 50 }]), -7)
  })

  it("have a table of some rows, from the first to the last", () => {
    assert.deepStrictEqual(thinned([1, 2, 3], 3), [1, 2, 3])
    const numbers = Array.from({ length: 300 }, (_, n) => n)
    assert.deepStrictEqual(thinned(numbers, 4), [0, 100, 199, 299])
  })

  it("keep the counts of ten minutes, and none twice", () => {
    let history: Parameters<typeof added>[0] = new Map()
    history = added(history, pulse(1, 5))
    assert.deepStrictEqual(history.get("billing"), [{ at: 1, waiting: 5, deadLetters: 2 }])
    // A broker that does not answer leaves the counts and the time as they were.
    assert.lengthOf(added(history, pulse(1, 5)).get("billing") ?? [], 1)
    for (let at = 2; at < 400; at++) history = added(history, pulse(at, at))
    assert.lengthOf(history.get("billing") ?? [], maxMoments)
    assert.strictEqual(history.get("billing")?.at(-1)?.at, 399)
  })
})
