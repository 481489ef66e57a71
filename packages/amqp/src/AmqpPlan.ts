/**
 * Compares the topology that subscriptions need with the one that exists. It never deletes
 * anything, nor changes what is there.
 *
 * RabbitMQ tells over AMQP whether an exchange or a queue is there, and with what it
 * was declared to those who ask as `DiscoverArguments` does. Of bindings it tells nothing.
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
  /** Whether it is ours to declare. What is not is only looked for. */
  readonly isOurs: boolean
}

/**
 * An argument that is not what it is to be.
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
 * All that subscriptions need, each once, in the order in which it is declared.
 *
 * **Details**
 *
 * Temporary queues are left out: they come and go with their consumers. A queue
 * whose `topology` is not `assert` is for others to declare: it is only looked
 * for, and so are its dead letters. Two subscriptions that want one queue in two
 * ways are a `RangeError`.
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
  for (const item of AmqpTopology.exchangesOf(settings)) add({ item, isOurs: true })
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

/** Returns the differences, under the names that RabbitMQ has for them. */
const compared = (wanted: DiscoverArguments.Declared, found: DiscoverArguments.Declared): State => {
  const [want, have] = [flattened(wanted), flattened(found)]
  const names = new Set([...Object.keys(want), ...Object.keys(have)])
  const differences = [...names].flatMap((argument): ReadonlyArray<Difference> => {
    const difference = { argument, wanted: want[argument], current: have[argument] }
    return difference.wanted === difference.current ? [] : [difference]
  })
  return differences.length === 0 ? { _tag: "There" } : { _tag: "Different", differences }
}

const compare = (live: Live, settings: Settings, item: AmqpTopology.Item): Effect.Effect<State, Reason> => {
  switch (item._tag) {
    case "Exchange": {
      const wanted = { type: item.type, durable: true, autoDelete: false, internal: false, arguments: {} }
      return Effect.map(DiscoverArguments.learnExchange(live, settings, item.name, wanted), (found) =>
        compared(wanted, found)
      )
    }
    case "Queue": {
      const { arguments: args, durable } = item.declaration
      const wanted = { durable, autoDelete: false, arguments: args }
      return Effect.map(DiscoverArguments.learn(live, settings, item.declaration), (found) => compared(wanted, found))
    }
    case "Binding":
      return Effect.succeed(unseen)
  }
}

const unseen: State = { _tag: "Unseen", why: "RabbitMQ does not tell over AMQP what is bound" }

const lookAt = (live: Live, settings: Settings, { isOurs, item }: Wanted): Effect.Effect<State, Reason> =>
  item._tag === "Binding"
    ? Effect.succeed(unseen)
    : AmqpTopology.verify(live, settings, [item]).pipe(
        Effect.andThen(isOurs ? compare(live, settings, item) : Effect.succeed<State>({ _tag: "There" })),
        Effect.catchTag("NotFound", () => Effect.succeed<State>({ _tag: "Missing" })),
        Effect.catchTag(["PermissionDenied", "Refused"], ({ detail }) =>
          Effect.succeed<State>({ _tag: "Unseen", why: detail })
        )
      )

/**
 * Looks what is there of what is needed, and how it differs.
 *
 * **Details**
 *
 * A binding is missing where its queue or its exchange is, and is unseen
 * otherwise. So is what this user may not declare, or another connection has for
 * itself.
 *
 * **Gotchas**
 *
 * It needs the permission to configure what is there. A queue that is
 * deleted just while it is compared is made again.
 *
 * @category running
 * @since 0.1.0
 */
export const look = Effect.fnUntraced(function* (
  live: Live,
  settings: Settings,
  wanted: ReadonlyArray<Wanted>
): Effect.fn.Return<ReadonlyArray<Finding>, Reason> {
  const findings = yield* Effect.forEach(wanted, (each) =>
    Effect.map(lookAt(live, settings, each), (state): Finding => ({ ...each, state }))
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
 * Returns what `apply` makes: what is missing, and the bindings that
 * cannot be seen, because to bind again what is bound changes nothing.
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
 * Makes what is missing of what was found. What differs stays as it is: the
 * caller refuses it, before anything is made.
 *
 * @category running
 * @since 0.1.0
 */
export const apply = (live: Live, settings: Settings, findings: ReadonlyArray<Finding>): Effect.Effect<void, Reason> =>
  AmqpTopology.assert(
    live,
    settings,
    toMake(findings).map(({ item }) => item)
  )
