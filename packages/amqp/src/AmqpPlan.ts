/**
 * Compares the topology that subscriptions need with the one that exists. It never
 * deletes or changes anything.
 *
 * Over AMQP, RabbitMQ reports whether an exchange or a queue exists, and
 * `discoverArguments` finds out its arguments. RabbitMQ does not report bindings.
 *
 * @since 0.1.0
 */

import type { Argument, Reason } from "effect-eventbus/BrokerError"
import type * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import type { Live } from "./AmqpConnection.ts"
import type { Settings } from "./AmqpOptions.ts"
import * as AmqpTopology from "./AmqpTopology.ts"
import * as DiscoverArguments from "./internal/discoverArguments.ts"

/**
 * Something that is needed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wanted {
  readonly item: AmqpTopology.Item
  /** Whether this application declares it. Items of others are only checked. */
  readonly isOurs: boolean
}

/**
 * An argument that differs from what is wanted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Difference {
  readonly argument: string
  readonly wanted: Argument
  readonly current: Argument
}

/**
 * The state of something that is needed.
 *
 * @category models
 * @since 0.1.0
 */
export type State =
  | { readonly _tag: "There" }
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Different"; readonly differences: ReadonlyArray<Difference> }
  | { readonly _tag: "Unseen"; readonly why: string }
  /** It is for others to declare, and this user has no right on it: since RabbitMQ 4.3, that is needed to look. */
  | { readonly _tag: "Hidden"; readonly why: string }

/**
 * Something that is needed, and what was found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding extends Wanted {
  readonly state: State
}

const nameOf = (item: AmqpTopology.Item): string => {
  switch (item._tag) {
    case "Exchange":
      return `exchange "${item.name}"`
    case "Queue":
      return `queue "${item.declaration.name}"`
    case "Binding":
      return `binding of "${item.queue}" to "${item.exchange}" by "${item.key}"`
  }
}

/**
 * Returns all that subscriptions need, each item once, in the order of declaration.
 *
 * **Details**
 *
 * Temporary queues are left out, because they come and go with their consumers. A
 * queue whose `topology` is not `assert` belongs to another application, so it is only
 * checked, and so are its dead letters. Throws a `RangeError` when two subscriptions
 * want one queue with different arguments.
 *
 * **Example** (What a subscription needs)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Subscription } from "effect-eventbus"
 * import { AmqpOptions, AmqpPlan } from "@effect-eventbus/amqp"
 *
 * const pager = Subscription.make("pager", { patterns: ["task.*.critical"] })
 * const wanted = AmqpPlan.wanted([pager], AmqpOptions.settings({}))
 *
 * const queues = wanted.flatMap(({ item }) => (item._tag === "Queue" ? [item.declaration.name] : []))
 * assert.deepStrictEqual(queues, ["dlq.pager", "pager"])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const wanted = (queues: ReadonlyArray<QueueSpec.QueueSpec>, settings: Settings): ReadonlyArray<Wanted> => {
  const all = new Map<string, Wanted>()
  const add = (wanted: Wanted) => {
    const name = nameOf(wanted.item)
    const before = all.get(name)
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(wanted)) {
      throw new RangeError(`Two subscriptions want the ${name}, and not the same one`)
    }
    all.set(name, wanted)
  }
  for (const item of AmqpTopology.exchangesOf(settings)) add({ item, isOurs: settings.topology === "assert" })
  for (const queue of queues) {
    if (queue.temporary) continue
    const isOurs = settings.forQueue(queue.name).topology === "assert"
    for (const item of AmqpTopology.itemsOf(queue, settings)) {
      if (isOurs || item._tag === "Queue") add({ item, isOurs })
    }
  }
  return [...all.values()]
}

const flattened = ({
  arguments: args,
  autoDelete,
  ...flags
}: DiscoverArguments.Declared): Record<string, Argument> => ({
  ...flags,
  auto_delete: autoDelete,
  ...args
})

/** Returns the differences, under the names that RabbitMQ uses. */
const compared = (wanted: DiscoverArguments.Declared, found: DiscoverArguments.Declared): State => {
  const [want, have] = [flattened(wanted), flattened(found)]
  const names = new Set([...Object.keys(want), ...Object.keys(have)])
  const differences = [...names].flatMap((argument): ReadonlyArray<Difference> => {
    const difference = { argument, wanted: want[argument], current: have[argument] }
    return difference.wanted === difference.current ? [] : [difference]
  })
  return differences.length === 0 ? { _tag: "There" } : { _tag: "Different", differences }
}

const compare = (live: Live, item: AmqpTopology.Item): Effect.Effect<State, Reason> => {
  switch (item._tag) {
    case "Exchange": {
      const wanted = { type: item.type, durable: true, autoDelete: false, internal: false, arguments: {} }
      return Effect.map(DiscoverArguments.learnExchange(live, item.name, wanted), (found) => compared(wanted, found))
    }
    case "Queue": {
      const { arguments: args, durable } = item.declaration
      const wanted = { durable, autoDelete: false, arguments: args }
      return Effect.map(DiscoverArguments.learn(live, item.declaration), (found) => compared(wanted, found))
    }
    case "Binding":
      return Effect.succeed(unseen)
  }
}

const unseen: State = { _tag: "Unseen", why: "RabbitMQ does not tell over AMQP what is bound" }

const lookAt = (live: Live, { isOurs, item }: Wanted): Effect.Effect<State, Reason> =>
  item._tag === "Binding"
    ? Effect.succeed(unseen)
    : AmqpTopology.verify(live, [item]).pipe(
        Effect.andThen(isOurs ? compare(live, item) : Effect.succeed<State>({ _tag: "There" })),
        Effect.catchTag("NotFound", () => Effect.succeed<State>({ _tag: "Missing" })),
        Effect.catchTag(["PermissionDenied", "Refused"], ({ _tag, detail }) =>
          Effect.succeed<State>({ _tag: _tag === "PermissionDenied" && !isOurs ? "Hidden" : "Unseen", why: detail })
        )
      )

/**
 * Looks for all that is wanted, and compares what exists.
 *
 * **Details**
 *
 * A binding is missing when its queue or exchange is, and is unseen otherwise. An item
 * is also unseen when this user may not declare it, or when it is exclusive to another
 * connection. An item that others declare is hidden from a user without a right on it.
 *
 * **Gotchas**
 *
 * It needs the permission to configure what exists. A queue that is deleted during the
 * comparison may be created again.
 *
 * @category running
 * @since 0.1.0
 */
export const look = Effect.fnUntraced(function* (
  live: Live,

  wanted: ReadonlyArray<Wanted>
): Effect.fn.Return<ReadonlyArray<Finding>, Reason> {
  const findings = yield* Effect.forEach(wanted, (each) =>
    Effect.map(lookAt(live, each), (state): Finding => ({ ...each, state }))
  )
  const missing = new Set(findings.filter(({ state }) => state._tag === "Missing").map(({ item }) => nameOf(item)))
  return findings.map((finding) =>
    finding.item._tag === "Binding" &&
    (missing.has(`queue "${finding.item.queue}"`) || missing.has(`exchange "${finding.item.exchange}"`))
      ? { ...finding, state: { _tag: "Missing" } }
      : finding
  )
})

/**
 * Returns what `apply` creates: missing items, and bindings that cannot be seen.
 * Binding again changes nothing.
 *
 * @category combinators
 * @since 0.1.0
 */
export const toMake = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> =>
  findings.filter(
    ({ isOurs, item, state }) =>
      isOurs && (state._tag === "Missing" || (state._tag === "Unseen" && item._tag === "Binding"))
  )

/**
 * Creates what is missing. Items that differ stay as they are; the caller refuses them
 * first.
 *
 * @category running
 * @since 0.1.0
 */
export const apply = (live: Live, findings: ReadonlyArray<Finding>): Effect.Effect<void, Reason> =>
  AmqpTopology.assert(
    live,
    toMake(findings).map(({ item }) => item)
  )
