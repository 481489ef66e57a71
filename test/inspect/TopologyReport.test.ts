import { AmqpOptions, AmqpPlan } from "@effect-eventbus/amqp"
import type { AmqpConnection } from "@effect-eventbus/amqp"
import { type Management, TopologyReport } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Subscription } from "effect-eventbus"

const settings = AmqpOptions.settings({})
const billing = Subscription.make("billing", { patterns: ["invoice.#"] })

/** The findings of AMQP: each item in its state, and bindings unseen. */
const found = (stateOf: (name: string) => AmqpPlan.State = () => ({ _tag: "There" })) =>
  AmqpPlan.wanted([billing], settings).map((wanted): AmqpPlan.Finding => ({
    ...wanted,
    state:
      wanted.item._tag === "Binding"
        ? { _tag: "Unseen", why: "not over AMQP" }
        : stateOf(TopologyReport.nameOf(wanted.item))
  }))

const bound: ReadonlyArray<Management.Binding> = [
  { exchange: "agent_events", key: "invoice.#" },
  { exchange: "agent_events", key: "#" },
  { exchange: "other", key: "billing" }
]

const inWords = (findings: ReadonlyArray<TopologyReport.Finding>) =>
  findings
    .filter(({ item }) => item._tag === "Binding")
    .map(({ item, state }) => `${TopologyReport.nameOf(item)}: ${state._tag}`)

/** No connection: the operation under test must not use one. */
const noConnection = { settings } as AmqpConnection.Live

describe("TopologyReport", () => {
  it("completes unseen bindings with those of the management API, and adds the ones that nothing asks for", () => {
    const findings = TopologyReport.withBindings(found(), new Map([["billing", bound]]))
    assert.deepStrictEqual(inWords(findings), [
      "dlq.billing to agent_events_dlx by dlq.billing: Unseen",
      "billing to agent_events_dlx by billing: Missing",
      "billing to agent_events by invoice.#: There",
      "billing to agent_events by #: Unwanted",
      "billing to other by billing: Unwanted"
    ])
  })

  it("counts what is not as it should be, without the bindings that could not be read", () => {
    const findings = found((name) => {
      if (name === "billing") return { _tag: "Different", differences: [] }
      return name === "dlq.billing" ? { _tag: "Missing" } : { _tag: "There" }
    })
    const { counts } = TopologyReport.fromFindings(TopologyReport.withBindings(findings, new Map([["billing", bound]])))
    assert.deepStrictEqual(counts, { missing: 2, different: 1, unseen: 0, unwanted: 2 })
    assert.strictEqual(TopologyReport.summary(counts), "2 missing, 1 different, 2 unwanted")
    assert.strictEqual(TopologyReport.summary(TopologyReport.fromFindings(found()).counts), "")
  })

  it.effect("refuses to create anything while an item differs or cannot be read, and says how many", () =>
    Effect.gen(function* () {
      const report = TopologyReport.fromFindings(
        found((name) => {
          if (name === "billing") return { _tag: "Different", differences: [] }
          return name === "dlq.billing" ? { _tag: "Unseen", why: "no permission" } : { _tag: "Missing" }
        })
      )
      assert.lengthOf(TopologyReport.conflicts(report), 2)
      const error = yield* Effect.flip(TopologyReport.apply(noConnection, report))
      assert.strictEqual(error._tag, "TopologyConflict")
      assert.strictEqual(
        error.message,
        "Nothing was created, because existing items do not match: 1 different, 1 unreadable"
      )
    })
  )

  it.effect("fails where two subscriptions declare one queue differently", () =>
    Effect.gen(function* () {
      const other = Subscription.make("billing", { patterns: ["invoice.#"], messageTtl: "1 minute" })
      const error = yield* Effect.flip(TopologyReport.make(noConnection, [billing, other], Option.none()))
      assert.deepNestedInclude(error, { _tag: "ContractError", "reason._tag": "ConflictingQueues" })
      assert.include(error.message, 'queue "billing"')
    })
  )

  it("names the differences argument by argument", () => {
    const [finding] = found(() => ({
      _tag: "Different",
      differences: [
        { argument: "x-message-ttl", wanted: 1000, current: undefined },
        { argument: "durable", wanted: true, current: false }
      ]
    }))
    assert.isDefined(finding)
    assert.deepStrictEqual(TopologyReport.differences(finding), [
      "x-message-ttl is none, not 1000",
      "durable is false, not true"
    ])
  })
})
