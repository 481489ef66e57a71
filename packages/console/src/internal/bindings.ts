/**
 * The bindings of a queue: those that the broker has, beside those that the contract asks
 * for.
 *
 * @internal
 */

import type * as AmqpPlan from "@effect-eventbus/amqp/AmqpPlan"
import type { Binding } from "@effect-eventbus/inspect/Management"
import * as TopologyReport from "@effect-eventbus/inspect/TopologyReport"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Model from "../ConsoleModel.ts"
import { amqpOf, states, wantedOf } from "./inspections.ts"
import type { Settings } from "./settings.ts"

type Bindings = typeof Model.Bindings.Type

/** The bindings that the contract asks for. `undefined`: it does not know the queue, or others declare it. */
const planOf = (settings: Settings, queue: string) => {
  const subscriptions = settings.contract?.subscriptions.filter(({ name }) => name === queue) ?? []
  const amqp = amqpOf(settings)
  if (subscriptions.length === 0 || amqp.forQueue(queue).topology !== "assert") return Effect.undefined
  return Effect.map(wantedOf(subscriptions, amqp), (wanted) =>
    wanted.flatMap(({ isOurs, item }): ReadonlyArray<AmqpPlan.Finding> =>
      item._tag === "Binding" && item.queue === queue
        ? [{ item, isOurs, state: { _tag: "Unseen", why: "the management API was not asked" } }]
        : []
    )
  )
}

const compared = (
  queue: string,
  plan: ReadonlyArray<AmqpPlan.Finding> | undefined,
  bound: ReadonlyArray<Binding> | undefined
): Bindings["all"] => {
  const findings = TopologyReport.withBindings(plan ?? [], new Map(bound === undefined ? [] : [[queue, bound]]))
  return findings.flatMap(({ item, state }) => {
    if (item._tag !== "Binding") return []
    const found = states[state._tag]
    if (found === "different" || found === "hidden") return []
    // Without a plan, nothing tells which of them are unwanted.
    return [{ exchange: item.exchange, key: item.key, state: plan === undefined ? "there" : found }]
  })
}

/** Returns the bindings of a queue, if the management API or the contract tells of them. */
export const of = Effect.fnUntraced(function* (settings: Settings, queue: string) {
  const planned = yield* Effect.result(planOf(settings, queue))
  const plan = Result.getOrUndefined(planned)
  const asked = yield* Effect.result(settings.management?.bindings(queue) ?? Effect.undefined)
  const bound = Result.getOrUndefined(asked)
  if (plan === undefined && bound === undefined && Result.isSuccess(asked)) return undefined
  const bindings: Bindings = {
    at: yield* Clock.currentTimeMillis,
    source: bound === undefined ? "contract" : "management",
    all: compared(queue, plan, bound),
    failure: Result.isFailure(asked) ? asked.failure.message : undefined
  }
  return bindings
})
