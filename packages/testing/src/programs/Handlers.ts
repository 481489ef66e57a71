/** The event types, subscriptions and handlers that programs are made of. */

import { Batch, EventType, FailurePolicy, Handler, QueueSpec, Request, Subscription } from "effect-eventbus"
import type { BrokerError, DecodedDelivery, EventBus, RequestError } from "effect-eventbus"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { routingKey, scripts, ttl } from "./Program.ts"
import type { Event, Kind, Script } from "./Program.ts"

const Payload = Schema.Struct({ n: Schema.Int, script: Schema.Literals(scripts), heldBy: Schema.NullOr(Schema.String) })
class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}
/** The first failure of an event whose subscription stops during its handling. */
class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Slow extends Schema.TaggedError<Slow>()("Slow", {}) {}
class Fatal extends Schema.TaggedError<Fatal>()("Fatal", {}) {}
class Useless extends Schema.TaggedError<Useless>()("Useless", {}) {}

/** The failure of one event of a batch, where another handler throws. */
class Thrown extends Schema.TaggedError<Thrown>()("TypeError", {}) {}

const Question = Request.make("task.asked", { payload: Payload, success: Payload.fields.n, error: Fatal })
const typed = <const Name extends string>(name: Name) => EventType.make(name, { payload: Payload })
const types = {
  "task.done": typed("task.done"),
  "task.failed": typed("task.failed"),
  "user.joined": typed("user.joined"),
  "task.asked": Question
}
/** A known type with one more field: events without that field are invalid. */
const stricter = EventType.make("task.failed", { payload: Schema.Struct({ ...Payload.fields, why: Schema.String }) })

/** The payload of an event, of which one that never fits is refused. */
const payloadOf = ({ script }: Event, n: number, heldBy: string | null) => ({
  n: script === "never fits" ? n + 0.5 : n,
  script,
  heldBy
})

/** Makes an event to publish. `heldBy` names the queue whose handler is to be busy with it. */
export const toEvent = (event: Event, n: number, heldBy: string | null) =>
  types[event.type].event(payloadOf(event, n, heldBy), {
    priority: event.priority,
    ttlSeconds: event.expires ? ttl / 1000 : undefined
  })

/** Sends an event as a request, and returns its answer in a word. */
export const ask = (
  event: Event,
  n: number,
  timeout: Duration.Input
): Effect.Effect<string, never, EventBus.EventBus> =>
  Request.call(Question, payloadOf(event, n, null), {
    timeout,
    priority: event.priority,
    routingKey: routingKey(event)
  }).pipe(
    Effect.match({
      onSuccess: (answer) => (answer === n ? "answered" : `answered like #${answer}`),
      onFailure: (error: Fatal | RequestError.RequestError) => (error._tag === "Fatal" ? "refused" : error.reason._tag)
    })
  )

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

/** Replies to a request, or dies. */
const answer = (script: Script, n: number, attempt: number): Effect.Effect<number, Fatal> => {
  switch (script) {
    case "give up":
    case "discard":
      return new Fatal()
    case "throw":
      return Effect.die(new TypeError("thrown"))
    default:
      return Effect.matchEffect(act(script, attempt, false), {
        onFailure: Effect.die,
        onSuccess: () => Effect.succeed(n)
      })
  }
}

const actOnLetter = (script: Script, attempt: number): Attempt =>
  script === "fail for ever" || (script === "give up" && attempt === 1) ? new Flaky() : Effect.void

const again = (delay: number, times: number) =>
  FailurePolicy.retry(Schedule.spaced(delay).pipe(Schedule.upTo({ times })))

/** How long a failed event waits, in milliseconds: for a short time, or until its event has expired. */
const delays = { short: 20, long: 300 }

const giveUpOf = ({ deadLetterQueue }: QueueSpec.QueueSpec) =>
  deadLetterQueue === undefined ? FailurePolicy.discard : FailurePolicy.deadLetter

const policiesOf = (spec: QueueSpec.QueueSpec) => {
  const giveUp = giveUpOf(spec)
  return {
    Flaky: again(delays.short, 2),
    Busy: again(delays.long, 2),
    // Without dead letters, an expired event cannot be seen.
    Slow: spec.deadLetterQueue === undefined ? giveUp : again(delays.long, 1),
    Fatal: giveUp,
    Useless: FailurePolicy.discard
  }
}

const policyOf = (spec: QueueSpec.QueueSpec) => FailurePolicy.tags(policiesOf(spec))

const optionsOf: Readonly<Record<Kind, Subscription.Options>> = {
  plain: { concurrency: 4 },
  serial: { concurrency: 1 },
  hasty: { concurrency: 4, drainTimeout: 0 },
  bare: { concurrency: 4, deadLetter: false },
  brief: { concurrency: 8, messageTtl: ttl },
  urgent: { concurrency: 1, priorities: true },
  typed: { concurrency: 4 },
  replying: { concurrency: 4 },
  batching: { concurrency: 4 },
  ordered: { concurrency: 4 },
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
  if (kind === "replying" && !letters) {
    const subscription = Subscription.make(queue, { ...wanted, events: [Question] })
    const reply = Request.handle(subscription, Question, ({ payload: { heldBy, n, script } }, delivery) =>
      Effect.andThen(before({ n, heldBy, delivery }), answer(script, n, delivery.attempt))
    )
    return bus.subscribe(reply.pipe(Handler.onFailure(again(delays.short, 2))))
  }
  if (kind === "batching" && !letters) {
    const subscription = Subscription.make(queue, wanted)
    const batch = Batch.make(subscription, { size: 4, within: "5 millis" }, (_, deliveries) =>
      Effect.forEach(deliveries, (delivery) =>
        Effect.result(Effect.catchDefect(attempt(_, delivery), () => Effect.fail(new Thrown())))
      )
    )
    return bus.subscribe(
      batch.pipe(
        Handler.onFailure(FailurePolicy.tags({ ...policiesOf(subscription), TypeError: giveUpOf(subscription) }))
      )
    )
  }
  if (kind === "typed" && !letters) {
    const subscription = Subscription.make(queue, { ...wanted, events: [types["task.done"], stricter] })
    return bus.subscribe(Handler.make(subscription, attempt).pipe(Handler.onFailure(policyOf(subscription))))
  }
  // RabbitMQ 4 keeps the order within one priority.
  const isOrdered = kind === "ordered" && !letters
  const orderedBy = isOrdered ? ({ priority }: { readonly priority: string }) => priority : undefined
  const subscription = Subscription.make(queue, { ...wanted, orderedBy })
  const handler = Handler.make(subscription, attempt)
  // Without retries there is no use for a policy.
  return bus.subscribe(subscription.atMostOnce ? handler : handler.pipe(Handler.onFailure(policyOf(subscription))))
}
