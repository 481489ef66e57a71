/** The event types, subscriptions and handlers that programs are made of. */

import { EventType, FailurePolicy, Handler, QueueSpec, Subscription } from "effect-eventbus"
import type { BrokerError, DecodedDelivery, EventBus } from "effect-eventbus"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { scripts, ttl } from "./Program.ts"
import type { Event, Kind, Script } from "./Program.ts"

const Payload = Schema.Struct({ n: Schema.Int, script: Schema.Literals(scripts), heldBy: Schema.NullOr(Schema.String) })
const typed = (name: Event["type"]) => EventType.make(name, { payload: Payload })
const types = {
  "task.done": typed("task.done"),
  "task.failed": typed("task.failed"),
  "user.joined": typed("user.joined")
}
/** A known type with one more field: events without that field are invalid. */
const stricter = EventType.make("task.failed", { payload: Schema.Struct({ ...Payload.fields, why: Schema.String }) })

/** Makes an event to publish. `heldBy` names the queue whose handler is to be busy with it. */
export const toEvent = ({ expires, priority, script, type }: Event, n: number, heldBy: string | null) =>
  types[type].event(
    { n: script === "never fits" ? n + 0.5 : n, script, heldBy },
    { priority, ttlSeconds: expires ? ttl / 1000 : undefined }
  )

class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}
/** The first failure of an event whose subscription stops during its handling. */
class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Slow extends Schema.TaggedError<Slow>()("Slow", {}) {}
class Fatal extends Schema.TaggedError<Fatal>()("Fatal", {}) {}
class Useless extends Schema.TaggedError<Useless>()("Useless", {}) {}

type Attempt = Effect.Effect<void, Flaky | Busy | Slow | Fatal | Useless>

const act = (script: Script, attempt: number, wasHeld: boolean): Attempt => {
  const flaky = wasHeld ? new Busy() : new Flaky()
  switch (script) {
    case "fail once":
      return attempt === 1 ? flaky : Effect.void
    case "fail twice":
      return attempt <= 2 ? flaky : Effect.void
    case "fail for ever":
      return flaky
    case "fail too late":
      return new Slow()
    case "give up":
      return new Fatal()
    case "discard":
      return new Useless()
    case "throw":
      return Effect.die(new TypeError("thrown"))
    case "ack":
    case "never fits":
      return Effect.void
  }
}

const actOnLetter = (script: Script, attempt: number): Attempt =>
  script === "fail for ever" || (script === "give up" && attempt === 1) ? new Flaky() : Effect.void

const again = (delay: number, times: number) =>
  FailurePolicy.retry(Schedule.spaced(delay).pipe(Schedule.upTo({ times })))

/** How long a failed event waits, in milliseconds: for a short time, or until its event has expired. */
const delays = { short: 20, long: 300 }

const policyOf = ({ deadLetterQueue }: QueueSpec.QueueSpec) => {
  const giveUp = deadLetterQueue === undefined ? FailurePolicy.discard : FailurePolicy.deadLetter
  return FailurePolicy.tags({
    Flaky: again(delays.short, 2),
    Busy: again(delays.long, 2),
    // Without dead letters, an expired event cannot be seen.
    Slow: deadLetterQueue === undefined ? giveUp : again(delays.long, 1),
    Fatal: giveUp,
    Useless: FailurePolicy.discard
  })
}

const optionsOf: Readonly<Record<Kind, Subscription.Options>> = {
  plain: { concurrency: 4 },
  serial: { concurrency: 1 },
  hasty: { concurrency: 4, drainTimeout: 0 },
  bare: { concurrency: 4, deadLetter: false },
  brief: { concurrency: 8, messageTtl: ttl },
  urgent: { concurrency: 1, priorities: true },
  typed: { concurrency: 4 },
  once: { concurrency: 4, guarantee: "at-most-once" }
}

/** An event as a handler sees it. */
export interface Seen {
  readonly n: number
  readonly heldBy: string | null
  readonly delivery: DecodedDelivery.DecodedDelivery
}

/**
 * Subscribes a queue of a kind. `before` runs before the handler follows the script
 * of its event, and returns whether it held the handler up.
 */
export const subscribe = (
  bus: EventBus.EventBus["Service"],
  options: {
    readonly queue: string
    readonly kind: Kind
    readonly patterns: ReadonlyArray<string>
    /** Whether the subscription differs from the queue that is declared. */
    readonly differs: boolean
    readonly before: (seen: Seen) => Effect.Effect<boolean>
  }
): Effect.Effect<EventBus.Running, BrokerError.SubscribeError, Scope.Scope> => {
  const { before, differs, kind, patterns, queue } = options
  const letters = QueueSpec.isDeadLetterQueue(queue)
  const own: Subscription.Options = letters ? {} : optionsOf[kind]
  const wanted = { ...own, patterns, messageTtl: differs ? Duration.hours(1) : own.messageTtl }
  const attempt = (_: unknown, delivery: DecodedDelivery.DecodedDelivery): Attempt => {
    const { heldBy, n, script } = Schema.decodeUnknownSync(Payload)(delivery.event.payload)
    return Effect.flatMap(before({ n, heldBy, delivery }), (wasHeld) =>
      (letters ? actOnLetter : act)(script, delivery.attempt, wasHeld)
    )
  }
  if (kind === "typed" && !letters) {
    const subscription = Subscription.make(queue, { ...wanted, events: [types["task.done"], stricter] })
    return bus.subscribe(Handler.make(subscription, attempt).pipe(Handler.onFailure(policyOf(subscription))))
  }
  const subscription = Subscription.make(queue, wanted)
  const handler = Handler.make(subscription, attempt)
  // Without retries there is no use for a policy.
  return bus.subscribe(subscription.atMostOnce ? handler : handler.pipe(Handler.onFailure(policyOf(subscription))))
}
