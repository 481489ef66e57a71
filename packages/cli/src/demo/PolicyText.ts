/**
 * The failure policy that the workers of the demo run by, as `eventbus explain` tells it.
 *
 * @since 0.1.0
 */

import type { Outcome } from "@effect-eventbus/inspect/Explanation"
import * as OutcomeText from "@effect-eventbus/inspect/OutcomeText"
import type * as FailurePolicy from "effect-eventbus/FailurePolicy"
import * as Effect from "effect/Effect"
import * as lazyImports from "../lazyImports.ts"
import { type Output, pad, wrap } from "../Output.ts"
import * as Stage from "./Stage.ts"

/** All lines fit a terminal of this width. */
const width = 80
const labelWidth = 17

const key = Stage.routingKey("task.submitted", "normal")

/** Joins the errors that are answered in the same way. */
const grouped = (outcomes: ReadonlyArray<Outcome>): ReadonlyArray<readonly [labels: string, text: string]> => {
  const byText = new Map<string, ReadonlyArray<string>>()
  for (const outcome of outcomes) {
    const text = OutcomeText.describe(outcome)
    byText.set(text, [...(byText.get(text) ?? []), outcome.failure])
  }
  return [...byText].map(([text, labels]) => [labels.join(", "), text])
}

/**
 * Asks a policy what it does, and returns its answers as lines.
 *
 * @category formatting
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  policy: FailurePolicy.FailurePolicy<never>,
  { paint }: Output["Service"]
) {
  const { Contract, Explanation } = yield* lazyImports.inspect
  const { AmqpOptions } = yield* lazyImports.amqp
  const { Handler, Subscription } = yield* lazyImports.eventbus
  const subscription = Subscription.make(Stage.queues.tasks, { patterns: [key] })
  const handler = Handler.onFailure(
    Handler.make(subscription, () => Effect.void),
    policy
  )
  const contract = yield* Contract.fromExports({ handler }, { title: "demo", version: "1.0.0" })
  const [explanation] = yield* Explanation.make(key, contract, AmqpOptions.settings({}))
  return grouped(explanation?.outcomes ?? []).map(([labels, text]) => {
    const start = `    ${paint("yellow", labels.length > labelWidth ? labels : pad(labels, labelWidth))}`
    const lines = wrap(text, width, labelWidth + 6)
    return labels.length > labelWidth ? `${start}\n${" ".repeat(labelWidth + 6)}${lines}` : `${start}  ${lines}`
  })
})
