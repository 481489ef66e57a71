/**
 * A comparison of the exchanges, queues and bindings that subscriptions need with
 * those on the broker.
 *
 * @since 0.1.0
 */

import { AmqpLadder, AmqpPlan, AmqpQueue } from "@effect-eventbus/amqp"
import type { AmqpConnection, AmqpTopology } from "@effect-eventbus/amqp"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as BrokerConnection from "./BrokerConnection.ts"
import * as ContractError from "./ContractError.ts"
import type { Binding, Management } from "./Management.ts"
import type { ManagementError } from "./ManagementError.ts"

/**
 * An item that subscriptions need, or a binding that no subscription asks for, with
 * its state on the broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding extends Omit<AmqpPlan.Finding, "state"> {
  readonly state: AmqpPlan.State | { readonly _tag: "Unwanted" }
}

/**
 * All findings about a set of subscriptions.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopologyReport {
  readonly findings: ReadonlyArray<Finding>
  readonly counts: Counts
}

/**
 * The number of items that are not as they should be. Bindings that could not be read
 * are not counted: only the management API reports them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  readonly missing: number
  readonly different: number
  readonly unseen: number
  readonly unwanted: number
}

/**
 * Nothing was created, because some items cannot be made to match: they exist with
 * other arguments, or could not be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class TopologyConflict extends Schema.TaggedError<TopologyConflict>("@effect-eventbus/inspect/TopologyConflict")(
  "TopologyConflict",
  { different: Schema.Finite, unseen: Schema.Finite }
) {
  override get message(): string {
    const counts = summary({ missing: 0, different: this.different, unseen: this.unseen, unwanted: 0 })
    return `Nothing was created, because existing items do not match: ${counts}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * Returns whether a finding is a binding that could not be read.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isUnseenBinding = ({ item, state }: Finding): boolean => state._tag === "Unseen" && item._tag === "Binding"

/** Whether an item is not as it should be, and `apply` cannot change that. */
const isConflict = (finding: Finding): boolean =>
  finding.state._tag === "Different" || (finding.state._tag === "Unseen" && !isUnseenBinding(finding))

const isWanted = (finding: Finding): finding is AmqpPlan.Finding => finding.state._tag !== "Unwanted"

/**
 * Makes a report of findings.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFindings = (findings: ReadonlyArray<Finding>): TopologyReport => {
  const count = (tag: Finding["state"]["_tag"]) =>
    findings.filter((finding) => finding.state._tag === tag && !isUnseenBinding(finding)).length
  return {
    findings,
    counts: {
      missing: count("Missing"),
      different: count("Different"),
      unseen: count("Unseen"),
      unwanted: count("Unwanted")
    }
  }
}

type BindingItem = Extract<AmqpTopology.Item, { readonly _tag: "Binding" }>

const isBinding = (item: AmqpTopology.Item): item is BindingItem => item._tag === "Binding"

/**
 * Completes what was found over AMQP with the bindings of each queue: unseen bindings
 * become there or missing, and bindings that no subscription asks for are added.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withBindings = (
  findings: ReadonlyArray<AmqpPlan.Finding>,
  bindings: ReadonlyMap<string, ReadonlyArray<Binding>>
): ReadonlyArray<Finding> => {
  const isSame = (a: Binding) => (b: Binding) => a.exchange === b.exchange && a.key === b.key
  const known = findings.map((finding): Finding => {
    const { item, state } = finding
    const bound = isBinding(item) ? bindings.get(item.queue) : undefined
    if (!isBinding(item) || bound === undefined || state._tag !== "Unseen") return finding
    return { ...finding, state: { _tag: bound.some(isSame(item)) ? "There" : "Missing" } }
  })
  const wanted = findings.map(({ item }) => item).filter(isBinding)
  const unwanted = [...bindings].flatMap(([queue, bound]) => {
    const asked = wanted.filter((binding) => binding.queue === queue)
    return bound
      .filter((binding) => !asked.some(isSame(binding)))
      .map(({ exchange, key }): Finding => ({
        item: { _tag: "Binding", queue, exchange, key },
        isOurs: true,
        state: { _tag: "Unwanted" }
      }))
  })
  return [...known, ...unwanted]
}

/** Asks the management API for the bindings of the queues that are ours. */
const bindingsOf = Effect.fnUntraced(function* (findings: ReadonlyArray<AmqpPlan.Finding>, { bindings }: Management) {
  const queues = findings.flatMap(({ isOurs, item }) =>
    isOurs && item._tag === "Queue" ? [item.declaration.name] : []
  )
  return new Map(
    yield* Effect.forEach(queues, (queue) => Effect.map(bindings(queue), (bound) => [queue, bound] as const))
  )
})

/**
 * Compares what subscriptions need with what is on the broker. Without the management
 * API, bindings stay unseen.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  live: AmqpConnection.Live,

  queues: ReadonlyArray<QueueSpec.QueueSpec>,
  management: Option.Option<Management>
): Effect.fn.Return<TopologyReport, BrokerError | ContractError.ContractError | ManagementError> {
  const wanted = yield* Effect.try({
    try: () => AmqpPlan.wanted(queues, live.settings),
    catch: (error) =>
      new ContractError.ContractError({
        reason: new ContractError.ConflictingQueues({ detail: error instanceof Error ? error.message : String(error) })
      })
  })
  const findings = yield* BrokerConnection.asBrokerError(AmqpPlan.look(live, wanted))
  if (Option.isNone(management)) return fromFindings(findings)
  return fromFindings(withBindings(findings, yield* bindingsOf(findings, management.value)))
})

/**
 * Looks for the queues in which delayed events wait. They are declared with the first
 * event that needs them, and not by `apply`, so they are no part of a report. None: no
 * event has been delayed.
 *
 * @category running
 * @since 0.1.0
 */
export const delays = Effect.fnUntraced(function* (
  live: AmqpConnection.Live
): Effect.fn.Return<ReadonlyArray<Finding>, BrokerError> {
  // It is declared with the first of them.
  const end = yield* BrokerConnection.asBrokerError(AmqpQueue.info(live, AmqpLadder.unroutableOf(live.settings)))
  if (Option.isNone(end)) return []
  const wanted = AmqpLadder.levels.map((level) => ({
    item: { _tag: "Queue", declaration: AmqpLadder.queueOf(level, live.settings) } as const,
    isOurs: true
  }))
  const findings = yield* BrokerConnection.asBrokerError(AmqpPlan.look(live, wanted))
  return findings.slice(0, findings.findLastIndex(({ state }) => state._tag !== "Missing") + 1)
})

/**
 * Returns the findings because of which `apply` refuses.
 *
 * @category getters
 * @since 0.1.0
 */
export const conflicts = ({ findings }: TopologyReport): ReadonlyArray<Finding> => findings.filter(isConflict)

/**
 * Creates what is missing, and returns what was created. Unseen bindings are bound
 * again, which changes nothing where they exist. Nothing is ever deleted or changed,
 * and nothing is created where the report has conflicts.
 *
 * @category running
 * @since 0.1.0
 */
export const apply = Effect.fnUntraced(function* (
  live: AmqpConnection.Live,

  report: TopologyReport
): Effect.fn.Return<ReadonlyArray<Finding>, BrokerError | TopologyConflict> {
  if (conflicts(report).length > 0) return yield* new TopologyConflict(report.counts)
  const wanted = report.findings.filter(isWanted)
  yield* BrokerConnection.asBrokerError(AmqpPlan.apply(live, wanted))
  return AmqpPlan.toMake(wanted)
})

/**
 * Returns the counts in words, such as `2 missing, 1 different`; empty when everything
 * is as it should be.
 *
 * @category formatting
 * @since 0.1.0
 */
export const summary = ({ different, missing, unseen, unwanted }: Counts): string => {
  const counts = [
    ["missing", missing],
    ["different", different],
    ["unreadable", unseen],
    ["unwanted", unwanted]
  ] as const
  return counts.flatMap(([word, n]) => (n === 0 ? [] : [`${n} ${word}`])).join(", ")
}

const value = (value: AmqpPlan.Difference["wanted"]): string => (value === undefined ? "none" : String(value))

/**
 * Returns the differences of a finding in words, one for each argument.
 *
 * @category formatting
 * @since 0.1.0
 */
export const differences = ({ state }: Finding): ReadonlyArray<string> =>
  state._tag === "Different"
    ? state.differences.map(({ argument, current, wanted }) => `${argument} is ${value(current)}, not ${value(wanted)}`)
    : []

/**
 * Returns a readable name of an item.
 *
 * @category formatting
 * @since 0.1.0
 */
export const nameOf = (item: AmqpTopology.Item): string => {
  switch (item._tag) {
    case "Exchange":
      return `${item.name} (${item.type})`
    case "Queue":
      return item.declaration.name
    case "Binding":
      return `${item.queue} to ${item.exchange} by ${item.key}`
  }
}
