import { Tracker } from "@effect-eventbus/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { SeededRandom } from "../support/SeededRandom.ts"

class Again extends Schema.TaggedError<Again>()("Again", {}) {}
class Dead extends Schema.TaggedError<Dead>()("Dead", {}) {}
class Dropped extends Schema.TaggedError<Dropped>()("Dropped", {}) {}

/** The course of an event: its failures, its end, and the events that its handler publishes when it succeeds. */
interface Course {
  readonly retries: number
  readonly end: "handled" | "deadLettered" | "discarded"
  readonly wait: "nothing" | "turn" | "promise" | "timer" | "clock"
  readonly causes: ReadonlyArray<Course>
}

const course = (random: SeededRandom, depth: number): Course => ({
  retries: random.int(0, 2),
  end: random.pick(["handled", "handled", "handled", "deadLettered", "discarded"]),
  wait: random.pick(["nothing", "nothing", "turn", "promise", "timer", "clock"]),
  causes: depth === 0 ? [] : Array.from({ length: random.int(0, 3) }, () => course(random, depth - 1))
})

const waits: Readonly<Record<Course["wait"], Effect.Effect<void>>> = {
  nothing: Effect.void,
  turn: Effect.repeat(Effect.yieldNow, { times: 5 }),
  promise: Effect.promise(() => Promise.resolve()),
  timer: Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 3))),
  clock: Effect.sleep("700 millis")
}

const ends = { handled: Effect.void, deadLettered: Effect.fail(new Dead()), discarded: Effect.fail(new Dropped()) }

/** Returns how often each outcome must come about. */
const expected = ({ causes, end, retries }: Course): Readonly<Record<Course["end"] | "retried", number>> => {
  const below = end === "handled" ? causes.map(expected) : []
  const sum = (key: Course["end"] | "retried", own: number) => below.reduce((total, each) => total + each[key], own)
  return {
    handled: sum("handled", end === "handled" ? 1 : 0),
    deadLettered: sum("deadLettered", end === "deadLettered" ? 1 : 0),
    discarded: sum("discarded", end === "discarded" ? 1 : 0),
    retried: sum("retried", retries)
  }
}

const Step = EventType.make("step", { payload: Schema.Struct({ path: Schema.Array(Schema.Int) }) })
const steps = Subscription.make("steps", { events: [Step], concurrency: 2 })

const publish = (path: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    yield* bus.publish(yield* Step.event({ path }))
  })

/** Returns a handler of the events of some courses, each found by its path. */
const handlerOf = (courses: ReadonlyArray<Course>) =>
  Handler.make(steps, ({ payload: { path } }, { attempt }) =>
    Effect.gen(function* () {
      const root: Course = { retries: 0, end: "handled", wait: "nothing", causes: courses }
      const { causes, end, retries, wait } = path.reduce((at, index) => at.causes[index] ?? at, root)
      yield* waits[wait]
      if (attempt <= retries) return yield* new Again()
      yield* ends[end]
      for (const index of causes.keys()) yield* publish([...path, index])
    })
  ).pipe(
    Handler.onFailure(
      FailurePolicy.tags({
        Again: FailurePolicy.retry(Schedule.spaced("1 second")),
        Dead: FailurePolicy.deadLetter,
        Dropped: FailurePolicy.discard,
        PublishError: FailurePolicy.deadLetter
      })
    )
  )

describe("Sessions of random courses", () => {
  for (const seed of Array.from({ length: 40 }, (_, index) => index + 1)) {
    it.effect(`end when all is settled, and no sooner: seed ${seed}`, () =>
      Effect.gen(function* () {
        const random = new SeededRandom(seed)
        const courses = Array.from({ length: 3 }, () => course(random, 3))
        const bus = yield* EventBus.EventBus
        yield* bus.subscribe(handlerOf(courses))
        // Side by side, so that each must tell its events from those of the others.
        const sessions = yield* Effect.forEach(
          courses.keys(),
          (index) => Tracker.track(publish([index]), { due: "1 hour" }),
          { concurrency: "unbounded" }
        )
        for (const [index, each] of courses.entries()) {
          const session = sessions[index]
          assert.isDefined(session)
          const found = {
            handled: session.handled.length,
            deadLettered: session.deadLettered.length,
            discarded: session.discarded.length,
            retried: session.retried.length
          }
          assert.deepStrictEqual(found, expected(each))
          assert.deepStrictEqual(session.waiting, [])
          assert.isTrue(session.of(Step).published.every(({ payload }) => payload.path[0] === index))
        }
        const memory = yield* MemoryBroker.MemoryBroker
        assert.deepStrictEqual(yield* memory.peek("steps"), [])
      }).pipe(Effect.provide(Tracker.layerMemory))
    )
  }
})
