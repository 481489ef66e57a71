import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Metric, Queue, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, QueueSpec, Subscription } from "effect-eventbus"
import type { DecodedDelivery, Event } from "effect-eventbus"

/** What a broker can do that another cannot. */
export interface Features {
  /** Whether queues outlive the bus that declared them. */
  readonly durable: boolean
}

/** A name that no other test uses, made from a readable one. */
export class Names extends Context.Service<Names, { readonly unique: (base: string) => string }>()("test/Names") {}

/** A broker under test. */
export interface Harness {
  readonly name: string
  readonly features: Features
  /** Whether the broker is not there, so that its tests are skipped. */
  readonly skip: boolean
  /** A bus on the broker. Every bus within one `Names` shares its queues, where they are durable. */
  readonly bus: (options?: { readonly prefetch?: number }) => Layer.Layer<EventBus.EventBus, unknown, Names>
  /** Names, and the removal of everything that was made under them. */
  readonly names: Layer.Layer<Names>
}

export type Test = (
  title: string,
  body: () => Effect.Effect<unknown, unknown, EventBus.EventBus | Names | Scope.Scope>
) => void

/** Runs the same tests on a broker. Time is real: on a broker nobody can set the clock. */
export const suite =
  (title: string, tests: (test: Test, harness: Harness) => void) =>
  (harness: Harness): void => {
    const layer = Layer.provideMerge(harness.bus(), harness.names)
    describe.skipIf(harness.skip)(`${title} (${harness.name})`, () =>
      tests(
        (name, body) =>
          it.live(name, () =>
            Effect.suspend(body).pipe(
              Effect.scoped,
              Effect.provide(layer, { local: true }),
              // What is counted in one test is not counted in another.
              Effect.provideService(Metric.MetricRegistry, new Map())
            )
          ),
        harness
      )
    )
  }

/** The longest that anything expected may take. */
export const bounded = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.timeout(self, "15 seconds")

/** Keeps what handlers see, for the test to wait for. */
export const recorder = <A>() =>
  Effect.map(Queue.unbounded<A>(), (queue) => {
    const take = bounded(Queue.take(queue))
    return {
      push: (value: A) => Effect.asVoid(Queue.offer(queue, value)),
      take,
      takeN: (n: number) => Effect.replicateEffect(take, n),
      size: Queue.size(queue)
    }
  })

class Unexpected extends Schema.TaggedError<Unexpected>()("Unexpected", { answer: Schema.String }) {
  override get message() {
    return `The last answer was ${this.answer}`
  }
}

/** Asks again until the answer is as expected, and fails with the last answer when it never is. */
export const eventually = <A, E, R>(ask: Effect.Effect<A, E, R>, expected: (answer: A) => boolean) =>
  ask.pipe(
    Effect.filterOrFail(expected, (answer) => new Unexpected({ answer: JSON.stringify(answer) })),
    Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 500 })))
  )

/** The number of events that wait in a queue. */
export const messages = (queue: string) =>
  EventBus.EventBus.use((bus) => bus.queueInfo(queue)).pipe(
    Effect.map((info) => (info._tag === "Some" ? info.value.messages : -1))
  )

export const unique = (base: string) => Names.use(({ unique }) => Effect.succeed(unique(base)))

export const TaskDone = EventType.make("task.done", { payload: Schema.Struct({ n: Schema.Int }) })
export const TaskFailed = EventType.make("task.failed", { payload: Schema.Struct({ why: Schema.String }) })
export const UserJoined = EventType.make("user.joined", { payload: Schema.Struct({ name: Schema.String }) })

export class Flaky extends Schema.TaggedError<Flaky>()("Flaky", { n: Schema.Int }) {
  override get message() {
    return `failed at ${this.n}`
  }
}

export const soon = (times: number) => FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times })))

/** Subscribes a function, and records every event with its delivery. */
export const record = Effect.fnUntraced(function* <Ev extends Event.Event>(
  subscription: Subscription.Subscription<Ev>,
  f: (event: Ev, delivery: DecodedDelivery.DecodedDelivery<Ev>) => Effect.Effect<unknown> = () => Effect.void
) {
  const bus = yield* EventBus.EventBus
  const seen = yield* recorder<DecodedDelivery.DecodedDelivery<Ev>>()
  yield* bus.subscribe(
    Handler.make(subscription, (event, delivery) => Effect.andThen(f(event, delivery), seen.push(delivery)))
  )
  return seen
})

/** The dead letters of a queue, as someone sees them who consumes them. */
export const deadLetters = (queue: string) =>
  record(Subscription.make(QueueSpec.deadLetterQueueOf(queue), { patterns: ["#"] }))

export const assertFault = (
  letter: DecodedDelivery.DecodedDelivery,
  expected: { readonly reason: string; readonly attempts?: number; readonly message?: RegExp }
) => {
  const { fault } = letter.envelope
  assert.isDefined(fault)
  assert.strictEqual(fault.reason, expected.reason)
  if (expected.attempts !== undefined) assert.strictEqual(fault.attempts, expected.attempts)
  if (expected.message !== undefined) assert.match(fault.message, expected.message)
  assert.isAtMost(fault.firstFailedAt, fault.lastFailedAt)
}
