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

describe.concurrent("eventbus explain", () => {
  it("prints a line of JSON for each queue that receives an event, without a broker", async () => {
    const { of, queues } = await explained("invoice.paid.critical")
    assert.sameMembers(queues, ["shop.billing", "shop.audit", "shop.pager", "shop.screen"])
    assert.deepStrictEqual(of("shop.pager"), {
      routing_key: "invoice.paid.critical",
      queue: "shop.pager",
      patterns: ["*.*.critical"],
      known_type: true,
      concurrency: 1,
      prefetch: null,
      at_most_once: false,
      around: [],
      timeout_ms: null,
      message_ttl_ms: null,
      delivery_limit: null,
      failures: null,
      wait_queues: [],
      dead_letters: "dlq.shop.pager"
    })
    const { failures, wait_queues, ...billing } = of("shop.billing") ?? {}
    assert.deepStrictEqual(billing, {
      routing_key: "invoice.paid.critical",
      queue: "shop.billing",
      patterns: ["invoice.*.*"],
      known_type: true,
      version: 2,
      steps_from: [],
      accepts_newer: false,
      concurrency: 8,
      prefetch: null,
      at_most_once: false,
      around: [],
      timeout_ms: 30_000,
      message_ttl_ms: 3_600_000,
      delivery_limit: 20,
      dead_letters: "dlq.shop.billing"
    })
    assert.include(wait_queues, "wait.shop.billing.1000.quorum.agent_events_dlx")
    assert.isArray(failures)
  })

  it("prints the retries of each failure as JSON, without a number where they are endless", async () => {
    const failures = (await explained("invoice.paid.critical")).of("shop.billing")?.["failures"]
    assert.deepInclude(failures, {
      failure: "any other error",
      retries: 3,
      attempts: 4,
      up_to_time: false,
      up_to_max_retries: true,
      delays_ms: [
        [800, 1200],
        [1600, 2400],
        [3200, 4800]
      ],
      pauses_ms: [],
      end: "dead-lettered"
    })
    assert.deepInclude(failures, {
      failure: "TimeoutError",
      retries: null,
      attempts: null,
      up_to_time: false,
      up_to_max_retries: false,
      delays_ms: Array.from({ length: 100 }, () => [60_000, 60_000]),
      pauses_ms: [],
      end: null
    })
  })

  it("prints null for the dead letters of a queue that keeps none", async () => {
    const { of } = await explained("invoice.lost.low")
    assert.deepInclude(of("shop.reminders"), { dead_letters: null, known_type: true })
    assert.deepInclude(of("shop.audit"), { at_most_once: true })
    assert.deepInclude(of("shop.billing"), { known_type: false })
  })

  it("says what happens to an event whose type the handler does not know", async () => {
    assert.include(await explain("invoice.lost.low"), "unknown to the handler: dead-lettered at once")
  })

  it("prints the same in words", async () => {
    const text = await explain("invoice.paid.high")
    assert.match(text, /^invoice\.paid\.high reaches 3 queues\n\nshop\.billing {2}by invoice\.\*\.\*\n/)
    for (const line of [
      "8 at a time, with a timeout of 30 s",
      "1 h at most, then dead-lettered",
      "retried 5 times, after 800 ms to 1.2 s, 1.6 to 2.4 s, 3.2 to 4.8 s, 6.4 to 9.6 s, 12.8 to 19.2 s; then dead-lettered, after 6 attempts",
      "retried without limit, after 1 min each",
      "retried up to max_retries times (3 by default), after 800 ms to 1.2 s, 1.6 to 2.4 s, 3.2 to 4.8 s",
      "wait.shop.billing.{ms}.quorum.agent_events_dlx, with ms = 1000, 1500, 2000",
      "delivered again, 20 times at most, then dead-lettered; this uses up no attempt",
      "dlq.shop.billing",
      "discarded at once"
    ]) {
      // A pipe has lines of 120 columns, which are broken between words.
      assert.include(text.replace(/\n {4,}/g, " "), line)
    }
    for (const line of Process.linesOf(text)) assert.isAtMost(line.length, 120)
    assert.notInclude(text, "\u001b")
  })

  it("says when a failure pauses the subscription, and how many events it takes in advance", async () => {
    const { stdout } = await Process.run(["explain", "pausing.a.low", ...Fixture.module("pausing")])
    assert.include(stdout, "1 at a time, 50 taken from the queue in advance")
    assert.include(stdout, "the subscription pauses until one succeeds: 1 s, 2 s, 4 s, 4 s, 4 s, … 4 s")
  })

  it("says that the events of a key keep their order, and for how long one of them is retried", async () => {
    const args = ["explain", "stock.moved.low", ...Fixture.module("stock")]
    const text = (await Process.run(args)).stdout.replace(/\n {4,}/g, " ")
    assert.match(text, /^ +in order +one event of a key at a time, by one process while others stand by; /m)
    assert.include(text, "a failing one is retried in its place for 30 s at most, and its dead letter parks the key")
    assert.notInclude(text, "waits in")
    assert.notInclude(text, "consumer lost")
    const [stock] = Process.objectsOf((await Process.run([...args, "--json"])).stdout)
    assert.deepInclude(stock, { ordered: true, hold_for_ms: 30_000, wait_queues: [], delivery_limit: null })
  })

  it("says how payloads are sealed, and where a delayed event waits", async () => {
    const args = ["explain", "report.made.low", "--delay", "1m", ...Fixture.module("blobs")]
    const { stdout } = await Process.run(args)
    assert.match(stdout, /^ +sealed by +gzip over 64 KiB, blob$/m)
    assert.match(stdout, /^Until then it waits .+ in agent_events_delay\.32768, agent_events_delay\.16384, /m)
    const [reports] = Process.objectsOf((await Process.run([...args, "--json"])).stdout)
    const levels = [32_768, 16_384, 8192, 2048, 512, 256]
    assert.deepInclude(reports, {
      bodies: [
        { step: "gzip", over_bytes: 65_536 },
        { step: "blob", over_bytes: 0 }
      ],
      delay_ms: 60_160,
      delay_queues: levels.map((level) => `agent_events_delay.${level}`)
    })
    assert.strictEqual(
      levels.reduce((sum, level) => sum + level, 0),
      60_160
    )
  })

  it("takes the type of an event for its key with a normal priority", async () => {
    const explain = async (key: string) => Process.run(["explain", key, ...Fixture.module("blobs")])
    const type = await explain("report.made")
    assert.match(type.stdout, /^report\.made\.normal reaches 1 queue$/m)
    assert.deepStrictEqual(type, await explain("report.made.normal"))
    assert.strictEqual((await explain("report.lost")).stdout, "report.lost reaches no queue of this module\n")
  })

  it("exits with 0 when no queue receives the event", async () => {
    const none = ["explain", "a.b.c", ...Fixture.module("misfit")]
    assert.strictEqual((await Process.run(none)).stdout, "a.b.c reaches no queue of this module\n")
    assert.strictEqual((await Process.run([...none, "--json"])).stdout, "")
  })
})
