/**
 * What a contract needs on the broker, and what is there of it.
 *
 * @since 0.1.0
 */

import { AmqpPlan } from "@effect-eventbus/amqp"
import type { AmqpConnection, AmqpOptions, AmqpTopology } from "@effect-eventbus/amqp"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "./Connection.ts"
import type { Management } from "./Management.ts"
import { type Output, pad, plain, type Style, wrap } from "./Output.ts"
import type { CommandFailed } from "./Problem.ts"

/**
 * What was found: of what is needed, or a binding that nothing asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding extends Omit<AmqpPlan.Finding, "state"> {
  readonly state: AmqpPlan.State | { readonly _tag: "Unwanted" }
}

/**
 * Whether it is something that is needed.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWanted = (finding: Finding): finding is AmqpPlan.Finding => finding.state._tag !== "Unwanted"

/**
 * Whether it is a binding that nobody has looked at.
 *
 * @category guards
 * @since 0.1.0
 */
export const isUnseenBinding = ({ item, state }: Finding): boolean => state._tag === "Unseen" && item._tag === "Binding"

/**
 * Whether it is not as it is to be, and stays so whatever is made.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOff = (finding: Finding): boolean =>
  finding.state._tag === "Different" || (finding.state._tag === "Unseen" && !isUnseenBinding(finding))

type Binding = Extract<AmqpTopology.Item, { readonly _tag: "Binding" }>

const isBinding = (item: AmqpTopology.Item): item is Binding => item._tag === "Binding"

/** Looks by the management API at what AMQP does not tell. */
const seen = Effect.fnUntraced(function* (findings: ReadonlyArray<AmqpPlan.Finding>, { bindings }: Management) {
  const bound = new Map<string, ReadonlyArray<Binding>>()
  for (const { isOurs, item } of findings) {
    if (!isOurs || item._tag !== "Queue") continue
    const queue = item.declaration.name
    const found = yield* bindings(queue)
    bound.set(
      queue,
      found.map(({ exchange, key }) => ({ _tag: "Binding", queue, exchange, key }))
    )
  }
  const isSame = (a: Binding) => (b: Binding) => a.exchange === b.exchange && a.key === b.key
  const looked = findings.map((finding): Finding => {
    const { item, state } = finding
    const there = isBinding(item) ? bound.get(item.queue) : undefined
    if (!isBinding(item) || there === undefined || state._tag !== "Unseen") return finding
    return { ...finding, state: { _tag: there.some(isSame(item)) ? "There" : "Missing" } }
  })
  const wanted = findings.map(({ item }) => item).filter(isBinding)
  const unwanted = [...bound].flatMap(([queue, bindings]) => {
    const ours = wanted.filter((binding) => binding.queue === queue)
    return bindings.filter((binding) => !ours.some(isSame(binding)))
  })
  return [...looked, ...unwanted.map((item): Finding => ({ item, isOurs: true, state: { _tag: "Unwanted" } }))]
})

/**
 * Looks what is there of what subscriptions need. Queues that are wanted in two
 * ways are a `RangeError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  live: AmqpConnection.Live,
  settings: AmqpOptions.Settings,
  subscriptions: ReadonlyArray<QueueSpec.QueueSpec>,
  management: Option.Option<Management>
): Effect.Effect<ReadonlyArray<Finding>, BrokerError | CommandFailed> =>
  Effect.suspend(() => Connection.asked(AmqpPlan.look(live, settings, AmqpPlan.wanted(subscriptions, settings)))).pipe(
    Effect.flatMap((findings) =>
      Option.match(management, {
        onNone: () => Effect.succeed<ReadonlyArray<Finding>>(findings),
        onSome: (management) => seen(findings, management)
      })
    )
  )

const value = (value: AmqpPlan.Difference["wanted"]): string => (value === undefined ? "none" : String(value))

/**
 * How something differs, in words.
 *
 * @category formatting
 * @since 0.1.0
 */
export const differences = ({ state }: Finding): ReadonlyArray<string> =>
  state._tag === "Different"
    ? state.differences.map(({ argument, current, wanted }) => `${argument} is ${value(current)}, not ${value(wanted)}`)
    : []

/**
 * How many are not as they are to be, in words; empty where all are.
 *
 * @category formatting
 * @since 0.1.0
 */
export const tally = (findings: ReadonlyArray<Finding>): string => {
  const count = (tag: Finding["state"]["_tag"]) =>
    findings.filter((finding) => finding.state._tag === tag && !isUnseenBinding(finding)).length
  const counts = [
    ["missing", count("Missing")],
    ["different", count("Different")],
    ["not to be seen", count("Unseen")],
    ["not wanted", count("Unwanted")]
  ] as const
  return counts.flatMap(([what, n]) => (n === 0 ? [] : [`${n} ${what}`])).join(", ")
}

/**
 * A state in a word, and its style.
 *
 * @category formatting
 * @since 0.1.0
 */
export type Word = readonly [word: string, style: Style]

/**
 * The word for a state.
 *
 * @category formatting
 * @since 0.1.0
 */
export const words: Readonly<Record<Finding["state"]["_tag"], Word>> = {
  There: ["there", "green"],
  Missing: ["missing", "yellow"],
  Different: ["differs", "red"],
  Unseen: ["unseen", "dim"],
  Unwanted: ["unwanted", "yellow"]
}

/**
 * What something is called.
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

const argumentsOf = (item: AmqpTopology.Item): string => {
  return item._tag === "Queue"
    ? Object.entries(item.declaration.arguments)
        .map(([name, value]) => `${name}=${value}`)
        .join(" ")
    : ""
}

const margin = 21

/**
 * A finding as a few lines: what it is, in which state, and what there is to say
 * about that.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (
  finding: Finding,
  [word, style]: Word,
  { columns = Infinity, paint }: Pick<Output["Service"], "columns" | "paint">
): string => {
  const { isOurs, item, state } = finding
  const more =
    state._tag === "Missing"
      ? isOurs
        ? [argumentsOf(item)].filter((text) => text !== "")
        : ["for others to declare"]
      : state._tag === "Unseen" && item._tag !== "Binding"
        ? [state.why]
        : differences(finding)
  return [
    `${paint(style, pad(word, 10))}${paint("dim", pad(item._tag.toLowerCase(), 11))}${wrap(plain(nameOf(item)), columns, margin)}`,
    ...more.map(
      (text) =>
        " ".repeat(margin) + paint(state._tag === "Different" ? "red" : "dim", wrap(plain(text), columns, margin))
    )
  ].join("\n")
}

/**
 * A finding as JSON.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = ({ isOurs, item, state }: Finding, [word]: Word): Readonly<Record<string, unknown>> => {
  const what =
    item._tag === "Exchange"
      ? { name: item.name, type: item.type }
      : item._tag === "Queue"
        ? { name: item.declaration.name, arguments: item.declaration.arguments }
        : { queue: item.queue, exchange: item.exchange, key: item.key }
  return {
    kind: item._tag.toLowerCase(),
    ...what,
    ours: isOurs,
    state: word,
    ...(state._tag === "Different"
      ? {
          differences: state.differences.map(({ argument, current = null, wanted = null }) => ({
            argument,
            current,
            wanted
          }))
        }
      : {}),
    ...(state._tag === "Unseen" ? { why: state.why } : {})
  }
}
