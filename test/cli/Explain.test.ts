import { assert, describe, it } from "@effect/vitest"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const explain = async (...args: ReadonlyArray<string>) => {
  const ended = await Process.run(["explain", ...args, ...Fixture.shop])
  assert.strictEqual(ended.code, 0, ended.stderr)
  assert.strictEqual(ended.stderr, "")
  return ended.stdout
}

const asked = new Map<string, Promise<string>>()

const explained = async (key: string) => {
  const asking = asked.get(key) ?? explain(key, "--json")
  asked.set(key, asking)
  const all = Process.objectsOf(await asking)
  return { queues: all.map(({ queue }) => queue), of: (queue: string) => all.find((each) => each["queue"] === queue) }
}

describe.concurrent("Explain", () => {
  it("tells which queues get an event, by which pattern, without a broker", async () => {
    const { of, queues } = await explained("invoice.paid.critical")
    assert.sameMembers(queues, ["shop.billing", "shop.audit", "shop.pager", "shop.screen"])
    assert.deepInclude(of("shop.billing"), { routing_key: "invoice.paid.critical", patterns: ["invoice.*.*"] })
    assert.deepStrictEqual(of("shop.pager")?.["patterns"], ["*.*.critical"])
    assert.deepStrictEqual((await explained("invoice.lost.low")).queues, [
      "shop.billing",
      "shop.reminders",
      "shop.audit",
      "shop.screen"
    ])
  })

  it("tells of each error what its policy does, attempt by attempt", async () => {
    const failures = (await explained("invoice.paid.low")).of("shop.billing")?.["failures"]
    const once = { retries: 0, up_to_max_retries: false, delays_ms: [], end: "dead-lettered" }
    assert.deepStrictEqual(failures, [
      {
        failure: "RateLimited",
        retries: 5,
        up_to_max_retries: false,
        delays_ms: [
          [800, 1200],
          [1600, 2400],
          [3200, 4800],
          [6400, 9600],
          [12_800, 19_200]
        ],
        end: "dead-lettered"
      },
      { failure: "UnknownInvoice", ...once },
      {
        failure: "TimeoutError",
        retries: null,
        up_to_max_retries: false,
        delays_ms: Array.from({ length: 100 }, () => [60_000, 60_000]),
        end: null
      },
      { failure: "a defect", ...once },
      {
        failure: "any other error",
        retries: 3,
        up_to_max_retries: true,
        delays_ms: [
          [800, 1200],
          [1600, 2400],
          [3200, 4800]
        ],
        end: "dead-lettered"
      }
    ])
  })

  it("tells where events wait, and where they end", async () => {
    const { of } = await explained("invoice.paid.critical")
    const billing = of("shop.billing")
    const tiers = [1000, 1500, 2000, 3000, 4000, 5000, 7000, 8000, 10_000, 15_000, 20_000, 60_000]
    assert.deepStrictEqual(
      billing?.["wait_queues"],
      tiers.map((tier) => `wait.shop.billing.${tier}.quorum.agent_events_dlx`)
    )
    assert.deepInclude(billing, {
      concurrency: 8,
      timeout_ms: 30_000,
      message_ttl_ms: 3_600_000,
      dead_letters: "dlq.shop.billing"
    })
  })

  it("tells what a handler without a policy does, and a queue without dead letters", async () => {
    const { of } = await explained("invoice.lost.low")
    assert.deepInclude(of("shop.reminders"), { dead_letters: null })
    assert.deepNestedInclude(of("shop.reminders"), { "failures[0].failure": "any failure" })
    assert.deepNestedInclude(of("shop.reminders"), { "failures[0].retries": 3, "failures[0].end": "discarded" })
    // Gone before it is handled, so no policy is asked.
    assert.deepNestedInclude(of("shop.audit"), { at_most_once: true, "failures[0].retries": 0 })
    assert.isNull((await explained("invoice.paid.critical")).of("shop.pager")?.["failures"])
  })

  it("tells of an event that the handler of a queue does not know", async () => {
    assert.isFalse((await explained("invoice.lost.low")).of("shop.billing")?.["known_type"])
    assert.isTrue((await explained("invoice.paid.low")).of("shop.billing")?.["known_type"])
    assert.include(await explain("invoice.lost.low"), "unknown to the handler: a dead letter, at once")
  })

  it("tells the same in words", async () => {
    const text = await explain("invoice.paid.high")
    assert.match(text, /^invoice\.paid\.high reaches 3 queues\n\nshop\.billing {2}by invoice\.\*\.\*\n/)
    for (const line of [
      "8 at once, 30 s at most each",
      "1 h at most; then a dead letter",
      "retried 5 times, after 800 ms to 1.2 s, 1.6 to 2.4 s, 3.2 to 4.8 s, 6.4 to 9.6 s, 12.8 to 19.2 s; then a dead letter",
      "retried for as long as it takes, after 1 min each",
      "retried as often as its max_retries (3 by default), after 800 ms to 1.2 s, 1.6 to 2.4 s, 3.2 to 4.8 s",
      "wait.shop.billing.{ms}.quorum.agent_events_dlx, with ms = 1000, 1500, 2000",
      "dlq.shop.billing",
      "discarded, at once"
    ]) {
      assert.include(text, line)
    }
    assert.notInclude(text, "\u001b")
  })

  it("says so when no queue gets it, which is no failure", async () => {
    const none = ["explain", "a.b.c", ...Fixture.module("misfit")]
    assert.strictEqual((await Process.run(none)).stdout, "a.b.c reaches no queue of this module\n")
    assert.strictEqual((await Process.run([...none, "--json"])).stdout, "")
  })
})
