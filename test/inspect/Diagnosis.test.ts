import { AmqpOptions, AmqpPlan } from "@effect-eventbus/amqp"
import { Diagnosis, QueueReport, TopologyReport } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { Subscription } from "effect-eventbus"

const versions: ReadonlyArray<readonly [version: string, status: Diagnosis.Check["status"]]> = [
  ["3.9.29", "fail"],
  ["3.10.8", "warn"],
  ["3.13.7", "warn"],
  ["4.0.1", "ok"],
  ["4.2.9", "ok"],
  ["4.3.0-rc.1", "fail"],
  ["4.3.2", "fail"],
  ["4.3.3", "warn"],
  ["4.3.5", "ok"],
  ["4.10.0", "ok"],
  ["5.0.0", "ok"],
  ["", "warn"],
  ["unknown", "warn"]
]

const clocks: ReadonlyArray<readonly [least: number, most: number, said: RegExp]> = [
  [-400, 599, /^ok .*agree within a second/],
  [200, 1199, /^ok .*0\.2 s ahead/],
  [-4000, -3001, /^ok .*3\.0 s behind/],
  [5001, 6000, /^warn .*at least 5\.0 s ahead/],
  [-61_000, -60_001, /^warn .*at least 60\.0 s behind/]
]

const settings = AmqpOptions.settings({ host: "127.0.0.1", port: 1, connectionTimeout: "200 millis" })
const billing = Subscription.make("billing", { patterns: ["invoice.#"] })

/** The checks of a topology in which some items are missing, and others are there. */
const checksOf = (isMissing: (name: string) => boolean, subscription = billing) => {
  const findings = AmqpPlan.wanted([subscription], settings).map((wanted): AmqpPlan.Finding => ({
    ...wanted,
    state: { _tag: isMissing(TopologyReport.nameOf(wanted.item)) ? "Missing" : "There" }
  }))
  return Diagnosis.topology(TopologyReport.fromFindings(findings), settings).map(
    ({ check, detail, status }) => `${status} ${check}: ${detail}`
  )
}

describe("Diagnosis", () => {
  for (const [version, status] of versions) {
    it(`says ${status} to RabbitMQ "${version}"`, () => {
      assert.strictEqual(Diagnosis.version(version).status, status)
    })
  }

  for (const [least, most, said] of clocks) {
    it(`describes a clock that is ${least} to ${most} ms ahead`, () => {
      const { detail, status } = Diagnosis.clock({ least, most })
      assert.match(`${status} ${detail}`, said)
    })
  }

  it("warns from RabbitMQ 4 on of events that expire from a classic queue into another", () => {
    const classic = AmqpOptions.settings({ queueType: "classic" })
    const quorumDeadLetters = AmqpOptions.settings({
      queueType: "classic",
      queues: { "dlq.brief": { queueType: "quorum" } }
    })
    const brief = Subscription.make("brief", { patterns: ["#"], messageTtl: "1 minute" })
    const urgent = Subscription.make("urgent", { patterns: ["#"], messageTtl: "1 minute", priorities: true })
    const warned = (version: string, settings: AmqpOptions.Settings) =>
      Diagnosis.expiry(version, [billing, brief, urgent], settings).map(({ detail }) => detail.split(" ")[0])
    assert.deepStrictEqual(warned("4.0.5", classic), ["brief", "urgent"])
    assert.deepStrictEqual(warned("4.3.6", quorumDeadLetters), ["urgent"])
    assert.deepStrictEqual(warned("4.3.6", settings), [])
    assert.deepStrictEqual(warned("3.10.8", classic), [])
    assert.deepStrictEqual(warned("unknown", classic), [])
  })

  it("warns of queues that are still to be declared, and not of their bindings", () => {
    const checks = checksOf((name) => name.includes("billing"))
    assert.include(checks, "warn queue: billing is missing")
    assert.include(checks, "warn queue: dlq.billing is missing")
    assert.notMatch(checks.join(), /binding/)
  })

  it("fails where dead letters of a queue in use would be lost", () => {
    const checks = checksOf((name) => name === "dlq.billing")
    assert.include(checks, "fail queue: dlq.billing is missing, so dead letters or retries are lost")
    assert.include(checks, "ok queue: billing")
    const exchange = checksOf((name) => name.startsWith("agent_events_dlx "))
    assert.include(exchange, "fail exchange: agent_events_dlx (direct) is missing, so dead letters or retries are lost")
  })

  it("warns of each queue whose events have no consumer, and not of dead letters", () => {
    const texts = (...queues: ReadonlyArray<readonly [name: string, messages: number, consumers: number]>) =>
      Diagnosis.backlog(
        QueueReport.fromAll(queues.map(([name, messages, consumers]) => ({ name, messages, consumers })))
      ).map(({ detail, status }) => `${status}: ${detail}`)
    assert.deepStrictEqual(texts(["billing", 12, 0], ["audit", 1, 0], ["pager", 5, 1]), [
      'warn: 1 event waits in "audit", which has no consumer',
      'warn: 12 events wait in "billing", which has no consumer'
    ])
    assert.deepStrictEqual(texts(["billing", 0, 0], ["dlq.billing", 3, 0], ["dlq.gone", 3, 0]), [
      "ok: every queue with events has a consumer"
    ])
  })

  it.live("ends with a failed check where there is no connection", () =>
    Effect.gen(function* () {
      const target = { settings, queues: [billing], management: Option.none() }
      const [check, ...others] = yield* Stream.runCollect(Diagnosis.run(target))
      assert.deepStrictEqual(others, [])
      assert.deepInclude(check, { check: "connection", status: "fail" })
      assert.match(check?.detail ?? "", /^No connection to 127\.0\.0\.1:1/)
    })
  )
})
