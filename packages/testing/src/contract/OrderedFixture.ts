import { EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import type { DeadLetter, Event } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { eventually, type Unexpected } from "./Patience.ts"
import { Flaky, TaskDone } from "./TestEvents.ts"

/** The key of an event is the last digit of its number. */
const keyOf = (n: number): string => `k${n % 10}`

/** Publishes events with these numbers, one after another. */
export const publish = (...numbers: ReadonlyArray<number>) =>
  EventBus.EventBus.use((bus) =>
    Effect.forEach(numbers, (n) => Effect.flatMap(TaskDone.event({ n }), bus.publish), { discard: true })
  )

/** A subscription that is ordered by the keys of its events. */
export const ordered = (queue: string, options: Subscription.Options = {}) =>
  Subscription.make(queue, {
    events: [TaskDone],
    orderedBy: ({ payload }) => keyOf(payload.n),
    concurrency: 4,
    prefetch: 40,
    ...options
  })

/** A handler that fails for the numbers in `broken`, and what it has done. */
interface Handling {
  readonly broken: Set<number>
  /** The numbers of all attempts, in their order. */
  readonly attempts: Array<number>
  /** The numbers that it has handled, in their order. */
  readonly handled: Array<number>
  readonly handler: Handler.Handler<Event.Event<"task.done", { readonly n: number }>, never, never>
  /** Succeeds when these numbers have been handled. */
  readonly has: (...numbers: ReadonlyArray<number>) => Effect.Effect<unknown, Unexpected>
  /** Returns those of some numbers that have a key. */
  readonly of: (key: number, numbers?: ReadonlyArray<number>) => ReadonlyArray<number>
}

/** Makes a handler of an ordered subscription, which retries a failure some `times`. */
export const handling = Effect.fnUntraced(function* (
  queue: string,
  options: Subscription.Options & {
    readonly times?: number
    readonly entering?: (n: number) => Effect.Effect<void>
  } = {}
): Effect.fn.Return<Handling> {
  const { entering = () => Effect.void, times = 1, ...own } = options
  const broken = new Set<number>()
  const handled: Array<number> = []
  const attempts: Array<number> = []
  const policy = FailurePolicy.tags({
    Flaky: FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times })))
  })
  const handler = Handler.make(
    ordered(queue, own),
    Effect.fnUntraced(function* ({ payload: { n } }) {
      attempts.push(n)
      yield* entering(n)
      if (broken.has(n)) return yield* new Flaky({ n })
      handled.push(n)
    })
  ).pipe(Handler.onFailure(policy))
  const of = (key: number, numbers: ReadonlyArray<number> = handled) => numbers.filter((n) => n % 10 === key)
  const has = (...numbers: ReadonlyArray<number>) =>
    eventually(
      Effect.sync(() => [...handled]),
      (handled) => numbers.every((n) => handled.includes(n))
    )
  return { attempts, broken, handled, handler, has, of }
})

/** Returns the numbers of dead letters. */
export const numbersOf = (letters: ReadonlyArray<DeadLetter.DeadLetter>): ReadonlyArray<number> =>
  letters.map(({ envelope }) => JSON.parse(new TextDecoder().decode(envelope.body)).payload.n)

/** Returns the dead letters of a queue. */
export const parked = (queue: string, key?: string) =>
  EventBus.EventBus.use((bus) => bus.deadLetters(queue).peek({ limit: 100, key }))
