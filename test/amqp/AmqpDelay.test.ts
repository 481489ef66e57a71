import * as AmqpDelay from "@effect-eventbus/amqp/AmqpDelay"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import { assert, describe, it } from "@effect/vitest"
import { QueueSpec } from "effect-eventbus"

const settings = AmqpOptions.settings({})
const classic = AmqpOptions.settings({ queueType: "classic" })
const hour = 3_600_000

describe("AmqpDelay", () => {
  it("names a wait queue by everything it is declared with", () => {
    const declarations = [
      AmqpDelay.waitQueue("work", 1000, settings),
      AmqpDelay.waitQueue("work", 2000, settings),
      AmqpDelay.waitQueue("work", 1000, classic),
      AmqpDelay.waitQueue("work", 1000, AmqpOptions.settings({ deadLetterExchange: "other" })),
      AmqpDelay.waitQueue("other", 1000, settings)
    ]
    assert.strictEqual(declarations[0]?.name, "wait.work.1000.quorum.agent_events_dlx")
    const names = new Set(declarations.map(({ name }) => name))
    assert.strictEqual(names.size, new Set(declarations.map((each) => JSON.stringify(each.arguments))).size)
    for (const { arguments: args, name } of declarations) {
      for (const value of ["x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-queue-type"]) {
        assert.include(name, `${args[value]}`)
      }
    }
  })

  it("makes retries wait in a quorum queue where the queue itself is a classic one, which would move them unconfirmed", () => {
    assert.deepStrictEqual(AmqpDelay.waitQueue("work", 1000, classic), AmqpDelay.waitQueue("work", 1000, settings))
    assert.deepInclude(AmqpDelay.waitQueue("work", 1000, classic).arguments, {
      "x-queue-type": "quorum",
      "x-dead-letter-strategy": "at-least-once"
    })
  })

  it("keeps the longest names within AMQP's 255 bytes", () => {
    const long = AmqpOptions.settings({ exchange: "x".repeat(46), queueType: "classic" })
    const name = QueueSpec.checkQueue("q".repeat(180))
    assert.isAtMost(AmqpDelay.waitQueue(name, AmqpDelay.delayTier(Infinity), long).name.length, 255)
  })

  describe("delayTier", () => {
    for (const [millis, tier] of [
      [0, 10],
      [10, 10],
      [11, 20],
      [701, 1000],
      [1000, 1000],
      [1200, 1500],
      [4800, 5000],
      [60_000, 60_000],
      [60_001, 90_000],
      [hour, hour],
      [23 * hour, 24 * hour],
      [25 * hour, 48 * hour],
      [1000 * hour, 42 * 24 * hour],
      [Infinity, 49 * 24 * hour]
    ] as const) {
      it(`rounds ${millis} ms to ${tier} ms`, () => assert.strictEqual(AmqpDelay.delayTier(millis), tier))
    }

    it("never shortens a delay that it can keep, at most doubles it, and is in the 32 bits of a time to live", () => {
      let before = 0
      for (let millis = 5; millis <= 49 * 24 * hour; millis = Math.ceil(millis * 1.01)) {
        const tier = AmqpDelay.delayTier(millis)
        assert.isAtLeast(tier, millis)
        assert.isAtLeast(tier, before)
        assert.isAtMost(tier, Math.max(10, millis * 2.5))
        if (millis >= 1000 && millis <= 24 * hour) assert.isAtMost(tier, millis * 1.55)
        assert.isBelow(tier, 2 ** 32)
        assert.strictEqual(AmqpDelay.delayTier(tier), tier)
        before = tier
      }
    })
  })
})
