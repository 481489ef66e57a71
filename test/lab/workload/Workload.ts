import { Cause, Effect, Exit, Fiber, Option, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import type { BrokerError, DecodedDelivery, Event, EventBus } from "effect-eventbus"
import { Batch, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { eventually, within } from "../../support/eventually.ts"
import type { Breach } from "../../support/eventually.ts"
import type { SeededRandom } from "../../support/SeededRandom.ts"
import type { Journal } from "../ledger/Journal.ts"
import * as HandlerScript from "./HandlerScript.ts"
import type { WorkloadShape } from "./WorkloadShape.ts"

const Work = EventType.make("lab.work", {
  payload: Schema.Struct({ n: Schema.Int, script: Schema.String, padding: Schema.String })
})

type Bus = EventBus.EventBus["Service"]
type WorkEvent = Event.Event<"lab.work", typeof Work.payload.Type>

/** The properties of an event that are not chosen at random. */
export interface Choice {
  readonly script?: HandlerScript.ScriptName
  readonly lane?: number
  readonly padding?: number
  /** A routing key that no queue is bound for. */
  readonly routingKey?: string
}

const policy = FailurePolicy.tags({
  Down: FailurePolicy.pause(Schedule.spaced("200 millis")),
  Flaky: FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 5 }))),
  Doomed: FailurePolicy.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 2 }))),
  TimeoutError: FailurePolicy.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 3 })))
})

/** Milliseconds that a publisher pauses after a failure. */
const failurePause = 50

/** The number of waiting deliveries at which publishers pause. */
const mostBacklog = 10_000

/** Publishers and subscriptions on a bus, which record everything they observe in a journal. */
export class Workload {
  /** Subscribes to all queues. The publishers start with `run`. */
  static start(
    bus: Bus,
    name: string,
    shape: WorkloadShape,
    journal: Journal,
    random: SeededRandom
  ): Effect.Effect<Workload, BrokerError.SubscribeError, Scope.Scope> {
    const self = new Workload(bus, name, shape, journal, random)
    return Effect.as(
      Effect.forEach(self.queues, (queue, i) => self.#subscribe(queue, i), { discard: true }),
      self
    )
  }

  /** Returns the queues of a workload: those with a routing key of their own, and the one that receives every event. */
  static queuesOf(name: string, { fanout, queues }: WorkloadShape): ReadonlyArray<string> {
    const lanes = Array.from({ length: queues }, (_, i) => `${name}.q${i}`)
    return fanout ? [...lanes, `${name}.all`] : lanes
  }

  readonly queues: ReadonlyArray<string>
  readonly #lanes: ReadonlyArray<string>
  readonly #bus: Bus
  readonly shape: WorkloadShape
  readonly #journal: Journal
  readonly #random: SeededRandom
  #published = 0
  #isOver = false

  private constructor(bus: Bus, name: string, shape: WorkloadShape, journal: Journal, random: SeededRandom) {
    this.queues = Workload.queuesOf(name, shape)
    this.#lanes = this.queues.slice(0, shape.queues)
    this.#bus = bus
    this.shape = shape
    this.#journal = journal
    this.#random = random
  }

  /** Publishes an event and records the outcome. Returns `confirmed` or the reason of the failure. */
  publish(choice: Choice = {}): Effect.Effect<string> {
    return Effect.gen({ self: this }, function* () {
      const lane = choice.lane ?? this.#random.int(0, this.#lanes.length - 1)
      const script = choice.script ?? HandlerScript.draw(this.shape.scripts, this.#random.int(0, 99))
      const routingKey = choice.routingKey ?? `lab.q${lane}`
      const isBound = choice.routingKey === undefined
      const queues = isBound ? this.queues.filter((_, i) => i === lane || i >= this.#lanes.length) : []
      const padding = "x".repeat(choice.padding ?? this.shape.padding)
      const event = yield* Work.event({ n: this.#published++, script, padding })
      this.#journal.attempted(event.eventId, queues, HandlerScript.scripts[script].end, script)
      const delay = this.#random.int(1, 100) > this.shape.delayed ? 0 : this.#random.int(1, this.shape.delay)
      const options = delay === 0 ? ({ routingKey, unroutable: "fail" } as const) : { routingKey, delay }
      const exit = yield* Effect.exit(this.#bus.publish(event, options))
      if (Exit.isSuccess(exit)) {
        this.#journal.confirmed(event.eventId)
        return "confirmed"
      }
      const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
      const reason = error?.reason._tag ?? (Cause.hasInterruptsOnly(exit.cause) ? "Interrupted" : "Defect")
      this.#journal.failed(event.eventId, reason)
      return reason
    })
  }

  /** Sends events through retries and dead letters of every subscription, so that all queues are declared. */
  get warmUp(): Effect.Effect<void, Breach> {
    const each = this.#lanes.flatMap((_, lane) => (["flaky", "doomed"] as const).map((script) => ({ lane, script })))
    const { ledger } = this.#journal
    return Effect.gen({ self: this }, function* () {
      for (const choice of each) {
        // A queue may refuse messages for a moment after it was declared.
        yield* eventually(
          "the warm-up is confirmed",
          Effect.map(this.publish(choice), (outcome) => outcome === "confirmed"),
          {
            atMost: "20 seconds"
          }
        )
      }
      yield* eventually(
        "the warm-up is handled",
        Effect.sync(() => ledger.pending("handled").length === 0),
        { atMost: "20 seconds", state: () => JSON.stringify(ledger.pending("handled")) }
      )
    })
  }

  /** Starts the publishers in the background. */
  get run(): Effect.Effect<Fiber.Fiber<void>, never, Scope.Scope> {
    const publisher = Effect.gen({ self: this }, function* () {
      while (!this.#isOver) {
        if (this.#backlog > mostBacklog) {
          yield* Effect.sleep(failurePause)
          continue
        }
        const outcome = yield* this.publish()
        if (outcome !== "confirmed") yield* Effect.sleep(failurePause)
        else if (this.shape.pause > 0) yield* Effect.sleep(this.shape.pause)
      }
    })
    return Effect.forkScoped(
      Effect.forEach(Array.from({ length: this.shape.publishers }), () => publisher, {
        concurrency: "unbounded",
        discard: true
      })
    )
  }

  /** The approximate number of waiting deliveries. It bounds publishers that are faster than the handlers. */
  get #backlog(): number {
    const { confirmed, handled } = this.#journal.ledger
    return confirmed * (this.shape.fanout ? 2 : 1) - handled
  }

  /** Stops the publishers and waits for the outcome of what they are publishing. */
  stop(running: Fiber.Fiber<void>, atMost: number): Effect.Effect<void, Breach> {
    this.#isOver = true
    return Effect.onError(within("every publisher ends", atMost)(Effect.asVoid(Fiber.await(running))), () =>
      Fiber.interrupt(running)
    )
  }

  #subscribe(queue: string, index: number): Effect.Effect<void, BrokerError.SubscribeError, Scope.Scope> {
    const { batch, concurrency, handlerTimeout, handling, prefetch } = this.shape
    const subscription = Subscription.make(queue, {
      events: [Work],
      patterns: [index < this.#lanes.length ? `lab.q${index}` : "lab.#"],
      concurrency,
      prefetch,
      drainTimeout: "5 seconds"
    })
    const runScript = (
      { eventId, payload }: WorkEvent,
      { attempt, envelope: { dueAt = 0 }, redelivered }: DecodedDelivery.DecodedDelivery
    ) =>
      Effect.gen({ self: this }, function* () {
        // A dead letter that should have been handled is a breach.
        if (dueAt > Date.now()) return yield* Effect.die(new Error(`a delayed event is ${dueAt - Date.now()} ms early`))
        yield* HandlerScript.scripts[HandlerScript.isScriptName(payload.script) ? payload.script : "doomed"].run(
          attempt,
          redelivered
        )
        this.#journal.handled(eventId, queue)
      })
    const pause = Effect.suspend(() => (handling > 0 ? Effect.sleep(this.#random.int(0, handling)) : Effect.void))
    const handler =
      batch > 1
        ? Batch.make(subscription, { size: batch, within: 20 }, (events, deliveries) =>
            Effect.andThen(
              pause,
              events.some(({ payload }) => payload.script === "poison")
                ? Effect.fail(new HandlerScript.Doomed({}))
                : Effect.forEach(deliveries, (delivery) => Effect.result(runScript(delivery.event, delivery)))
            )
          )
        : Handler.make(subscription, (event, delivery) => Effect.andThen(pause, runScript(event, delivery)))
    return this.#bus.subscribe(handler.pipe(Handler.timeout(handlerTimeout), Handler.onFailure(policy)))
  }
}
