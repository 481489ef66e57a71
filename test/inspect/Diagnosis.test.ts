import { AmqpLadder, AmqpOptions, AmqpPlan } from "@effect-eventbus/amqp"
import { Diagnosis, QueueLimit, QueueReport, TopologyReport } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { BrokerError, Subscription } from "effect-eventbus"
import * as BlobCheck from "../../packages/inspect/src/internal/checks/blobChecks.ts"

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

  it("warns of each node whose memory limit is under what the log of its quorum queues may keep", () => {
    const said = Diagnosis.memory([
      { name: "rabbit@a", limit: 512_000_000 },
      { name: "rabbit@b", limit: 700_000_000 }
    ]).map(({ check, detail, status }) => `${status} ${check}: ${detail}`)
    assert.lengthOf(said, 1)
    assert.match(said[0] ?? "", /^warn memory: rabbit@a blocks publishers at 512 MB, .* for ever$/)
    assert.strictEqual(Diagnosis.memory([{ name: "rabbit@b", limit: 700_000_000 }])[0]?.status, "ok")
  })

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

  it("skips what only others declare where this user may not look, and fails where it must declare it", () => {
    const settings = AmqpOptions.settings({ topology: "verify" })
    const report = (tag: "Hidden" | "Unseen") =>
      TopologyReport.fromFindings(
        AmqpPlan.wanted([billing], settings).map((wanted) => ({
          ...wanted,
          state: wanted.item._tag === "Queue" ? { _tag: tag, why: "ACCESS_REFUSED" } : { _tag: "There" }
        }))
      )
    const statuses = (tag: "Hidden" | "Unseen") =>
      Diagnosis.topology(report(tag), settings)
        .filter(({ check }) => check === "queue")
        .map(({ detail, status }) => `${status} ${detail}`)
    assert.deepStrictEqual(statuses("Hidden"), ["skip dlq.billing: ACCESS_REFUSED", "skip billing: ACCESS_REFUSED"])
    assert.deepStrictEqual(statuses("Unseen"), ["fail dlq.billing: ACCESS_REFUSED", "fail billing: ACCESS_REFUSED"])
    assert.deepStrictEqual(TopologyReport.conflicts(report("Hidden")), [])
  })

  it("says what to do where the virtual host is missing, or the user has no access to it", () => {
    const reasons = [
      new BrokerError.VhostNotFound({ address: "h:1", vhost: "shop" }),
      new BrokerError.PermissionDenied({ operation: "open the virtual host", detail: "refused for user 'me'" })
    ]
    for (const reason of reasons) {
      const check = Diagnosis.noConnection(new BrokerError.BrokerError({ reason }))
      assert.include(check.status === "ok" ? "" : check.advice, "rabbitmqctl set_permissions")
    }
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

  it("warns of the dead letters of each queue, also of one that is gone", () => {
    const texts = (...queues: ReadonlyArray<readonly [name: string, messages: number]>) =>
      Diagnosis.deadLetters(
        QueueReport.fromAll(queues.map(([name, messages]) => ({ name, messages, consumers: 1 })))
      ).map(({ detail, status }) => `${status}: ${detail}`)
    assert.deepStrictEqual(texts(["audit", 7], ["billing", 0], ["dlq.audit", 0], ["dlq.billing", 3], ["dlq.gone", 1]), [
      'warn: 3 dead letters of "billing"',
      'warn: 1 dead letter of "gone"'
    ])
    assert.deepStrictEqual(texts(["audit", 7], ["dlq.audit", 0], ["dlq.gone", 0]), ["ok: no queue has any"])
  })

  it("fails where another application hands the events of an ordered subscription to several consumers", () => {
    const texts = (args: Readonly<Record<string, unknown>>) =>
      Diagnosis.order(["stock"], [{ name: "stock", messages: 0, consumers: 2, arguments: args }]).map(
        ({ detail, status }) => `${status}: ${detail}`
      )
    assert.deepStrictEqual(texts({ "x-single-active-consumer": true }), ['ok: "stock" has one active consumer'])
    const fails = [
      'fail: "stock" hands its events to several consumers at once, so processes do not keep the order of a key'
    ]
    assert.deepStrictEqual(texts({}), fails)
    assert.deepStrictEqual(texts({ "x-single-active-consumer": false }), fails)
    // That it is missing is reported with the topology.
    assert.deepStrictEqual(Diagnosis.order(["gone"], []), [])
  })

  it("counts delayed events, and fails where one of their queues is missing below another", () => {
    const texts = (...levels: ReadonlyArray<number>) =>
      Diagnosis.delays(
        levels.map((level) => ({ name: AmqpLadder.nameOf(level, settings), messages: 2, consumers: 0 })),
        settings
      ).map(({ detail, status }) => `${status}: ${detail}`)
    assert.deepStrictEqual(texts(), ["ok: no event has been delayed, so no queue is declared for it"])
    assert.deepStrictEqual(texts(128, 256, 512), ["ok: 6 events in 3 queues for delays"])
    assert.deepStrictEqual(texts(128, 512), [
      "fail: agent_events_delay.256 is missing, so delayed events do not get any further than the queue above it"
    ])
  })

  it("skips the blobs while another client holds dead letters, and fails where the store does", async () => {
    const reason = new BrokerError.NotBrowsable({
      name: "dlq.billing",
      detail: "another client holds some of its messages"
    })
    const statusOf = async (error: { readonly message: string }) =>
      (await Effect.runPromise(BlobCheck.blobsOf(Effect.fail(error)))).map(({ status }) => status)
    assert.deepStrictEqual(await statusOf(new BrokerError.BrokerError({ reason })), ["skip"])
    assert.deepStrictEqual(await statusOf(new Error("the disk is full")), ["fail"])
  })

  it("warns of blobs that nothing refers to, and says which events it could not look at", () => {
    const used = Date.UTC(2026, 0, 2)
    const survey = { orphans: [], unseen: [], unusedSince: used }
    assert.strictEqual(Diagnosis.blobs(survey).status, "ok")
    const unseen = [{ name: "billing", messages: 2, consumers: 0 }]
    const found = Diagnosis.blobs({
      ...survey,
      unseen,
      orphans: [
        { name: "a", usedAt: 1 },
        { name: "b", usedAt: 2 }
      ]
    })
    assert.strictEqual(found.status, "warn")
    assert.strictEqual(
      found.detail,
      '2 blobs not used since 2026-01-02T00:00:00.000Z, and no event or dead letter needs them; 2 events in "billing" cannot be looked at'
    )
  })

  it("warns of a queue for replies whose requester is gone", () => {
    const texts = (...queues: ReadonlyArray<readonly [name: string, messages: number, consumers: number]>) =>
      Diagnosis.replies(queues.map(([name, messages, consumers]) => ({ name, messages, consumers }))).map(
        ({ detail, status }) => `${status}: ${detail}`
      )
    const [mine, lost] = ["reply.1f0b5c1e-0000-4000-8000-00000000000a", "reply.1f0b5c1e-0000-4000-8000-00000000000b"]
    assert.deepStrictEqual(texts(["reply.to.all", 1, 0]), ["ok: 0 queues for replies, each in use"])
    assert.deepStrictEqual(texts([mine, 3, 1]), ["ok: 1 queue for replies, each in use"])
    assert.deepStrictEqual(texts([mine, 0, 1], [lost, 1, 0]), [`warn: ${lost} has no consumer, and 1 reply`])
  })

  it("fails where a full queue takes no more, and warns where it loses what it has", () => {
    const texts = (
      name: string,
      args: Readonly<Record<string, unknown>>,
      policy: Readonly<Record<string, unknown>>
    ) => {
      const limit = QueueLimit.make({ name, messages: 5, bytes: 500, arguments: args, policy })
      return Diagnosis.limits(limit === undefined ? [] : [limit]).map(({ detail, status }) => `${status}: ${detail}`)
    }
    const reject = { "x-overflow": "reject-publish" }
    assert.deepStrictEqual(texts("dlq.billing", reject, { "max-length": 5 }), [
      'fail: "dlq.billing" is full with 5 messages (max-length 5) and takes no more dead letters, so the consumers wait whose events should go there'
    ])
    assert.deepStrictEqual(texts("dlq.billing", { "x-max-length": 9 }, { "max-length": 5 }), [
      'warn: "dlq.billing" is full with 5 messages (max-length 5) and loses its oldest dead letters'
    ])
    assert.deepStrictEqual(texts("billing", { "x-max-length-bytes": 500 }, { overflow: "reject-publish-dlx" }), [
      'fail: "billing" is full with 500 bytes (max-length-bytes 500) and takes no more, so publishes and retries to it fail'
    ])
    const isWell = ["ok: no queue is full"]
    assert.deepStrictEqual(texts("billing", { "x-max-length-bytes": 501 }, { "max-length": 6 }), isWell)
    assert.deepStrictEqual(texts("billing", reject, {}), isWell)
    // An argument decides what happens, and the smaller limit when.
    assert.match(
      texts("a", { "x-overflow": "drop-head", "x-max-length": 5 }, { overflow: "reject-publish" })[0] ?? "",
      /^warn/
    )
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
