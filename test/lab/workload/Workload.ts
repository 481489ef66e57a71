import { Cause, Effect, Exit, Fiber, Option, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import type { BrokerError, Event, EventBus } from "effect-eventbus"
import { EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { eventually, within } from "../../support/eventually.ts"
import type { Breach } from "../../support/eventually.ts"
import type { SeededRandom } from "../../support/SeededRandom.ts"
import type { Journal } from "../ledger/Journal.ts"
import * as HandlerScript from "./HandlerScript.ts"

/** How much goes on while a fault happens. */
export interface Shape {
  readonly publishers: number
  /** Milliseconds that a publisher waits before its next event. */
  readonly pause: number
  /** Queues with a routing key of their own. */
  readonly queues: number
  /** Whether one more queue wants every event. */
  readonly fanout: boolean
  readonly concurrency: number
  /** The most milliseconds that a handler takes. */
  readonly handling: number
  /** After this long a handler is given up. */
  readonly handlerTimeout: number
  readonly padding: number
  readonly scripts: HandlerScript.Shares
}

export const steady: Shape = {
  publishers: 8,
  pause: 8,
  queues: 2,
  fanout: true,
  concurrency: 10,
  handling: 8,
  handlerTimeout: 3000,
  padding: 20,
  scripts: HandlerScript.usual
}

/** As much as goes. */
export const heavy: Shape = {
  ...steady,
  publishers: 200,
  pause: 0,
  concurrency: 100,
  handling: 3,
  scripts: { flaky: 3, doomed: 1, defect: 1 }
}

const Work = EventType.make("lab.work", {
  payload: Schema.Struct({ n: Schema.Int, script: Schema.String, padding: Schema.String })
})

type Bus = EventBus.EventBus["Service"]
type WorkEvent = Event.Event<"lab.work", typeof Work.payload.Type>

/** How an event is to be published, where it is not drawn. */
export interface Choice {
  readonly script?: HandlerScript.ScriptName
  readonly lane?: number
  readonly padding?: number
  /** A routing key, and the queues that want it. */
  readonly route?: readonly [routingKey: string, queues: ReadonlyArray<string>]
}

const policy = FailurePolicy.tags({
  Flaky: FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 5 }))),
  Doomed: FailurePolicy.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 2 }))),
  TimeoutError: FailurePolicy.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 3 })))
})

/** Milliseconds after its failure in which a publisher tries no other event. */
const failurePause = 50

/** How many deliveries may wait before publishers wait, too. */
const mostBacklog = 10_000

/** Publishers and subscriptions on a bus, with a journal of everything that they see. */
export class Workload {
  /** Subscribes. The publishers begin with `run`. */
  static start(
    bus: Bus,
    name: string,
    shape: Shape,
    journal: Journal,
    random: SeededRandom
  ): Effect.Effect<Workload, BrokerError.SubscribeError, Scope.Scope> {
    const self = new Workload(bus, name, shape, journal, random)
    return Effect.as(
      Effect.forEach(self.queues, (queue, i) => self.#subscribe(queue, i), { discard: true }),
      self
    )
  }

  /** The queues of a workload: those with a routing key of their own, and the one that wants every event. */
  static queuesOf(name: string, { fanout, queues }: Shape): ReadonlyArray<string> {
    const lanes = Array.from({ length: queues }, (_, i) => `${name}.q${i}`)
    return fanout ? [...lanes, `${name}.all`] : lanes
  }

  readonly queues: ReadonlyArray<string>
  readonly #lanes: ReadonlyArray<string>
  readonly #bus: Bus
  readonly #shape: Shape
  readonly #journal: Journal
  readonly #random: SeededRandom
  #published = 0
  #isOver = false

  private constructor(bus: Bus, name: string, shape: Shape, journal: Journal, random: SeededRandom) {
    this.queues = Workload.queuesOf(name, shape)
    this.#lanes = this.queues.slice(0, shape.queues)
    this.#bus = bus
    this.#shape = shape
    this.#journal = journal
    this.#random = random
  }

  /** Publishes an event, and enters what becomes of it. Answers `confirmed`, or the reason of the failure. */
  publish(choice: Choice = {}): Effect.Effect<string> {
    return Effect.gen({ self: this }, function* () {
      const lane = choice.lane ?? this.#random.int(0, this.#lanes.length - 1)
      const script = choice.script ?? HandlerScript.draw(this.#shape.scripts, this.#random.int(0, 99))
      const [routingKey, queues] = choice.route ?? [
        `lab.q${lane}`,
        this.queues.filter((queue, i) => i === lane || i >= this.#lanes.length)
      ]
      const padding = "x".repeat(choice.padding ?? this.#shape.padding)
      const event = yield* Work.event({ n: this.#published++, script, padding })
      this.#journal.attempted(event.eventId, queues, HandlerScript.scripts[script].end, script)
      const exit = yield* Effect.exit(this.#bus.publish(event, { routingKey, unroutable: "fail" }))
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

  /** Sends one event the long way through every queue, so that every queue is there, wait queues included. */
  get warmUp(): Effect.Effect<void, Breach> {
    const each = this.#lanes.flatMap((_, lane) => (["flaky", "doomed"] as const).map((script) => ({ lane, script })))
    const { ledger } = this.#journal
    return Effect.gen({ self: this }, function* () {
      for (const choice of each) {
        // A queue that is a moment old may still refuse.
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

  /** Publishes in the background. */
  get run(): Effect.Effect<Fiber.Fiber<void>, never, Scope.Scope> {
    const publisher = Effect.gen({ self: this }, function* () {
      while (!this.#isOver) {
        if (this.#backlog > mostBacklog) {
          yield* Effect.sleep(failurePause)
          continue
        }
        const outcome = yield* this.publish()
        if (outcome !== "confirmed") yield* Effect.sleep(failurePause)
        else if (this.#shape.pause > 0) yield* Effect.sleep(this.#shape.pause)
      }
    })
    return Effect.forkScoped(
      Effect.forEach(Array.from({ length: this.#shape.publishers }), () => publisher, {
        concurrency: "unbounded",
        discard: true
      })
    )
  }

  /** About how many deliveries wait: who publishes faster than anybody handles has to end some time. */
  get #backlog(): number {
    const { confirmed, handled } = this.#journal.ledger
    return confirmed * (this.#shape.fanout ? 2 : 1) - handled
  }

  /** Lets the publishers end with what they have in hand. */
  stop(running: Fiber.Fiber<void>, atMost: number): Effect.Effect<void, Breach> {
    this.#isOver = true
    return Effect.onError(within("every publisher has its answer", atMost)(Effect.asVoid(Fiber.await(running))), () =>
      Fiber.interrupt(running)
    )
  }

  #subscribe(queue: string, index: number): Effect.Effect<void, BrokerError.SubscribeError, Scope.Scope> {
    const { concurrency, handlerTimeout, handling } = this.#shape
    const subscription = Subscription.make(queue, {
      events: [Work],
      patterns: [index < this.#lanes.length ? `lab.q${index}` : "lab.#"],
      concurrency,
      drainTimeout: "5 seconds"
    })
    const handle = ({ eventId, payload }: WorkEvent, attempt: number, redelivered: boolean) =>
      Effect.gen({ self: this }, function* () {
        if (handling > 0) yield* Effect.sleep(this.#random.int(0, handling))
        yield* HandlerScript.scripts[HandlerScript.isScriptName(payload.script) ? payload.script : "doomed"].run(
          attempt,
          redelivered
        )
        this.#journal.handled(eventId, queue)
      })
    return this.#bus.subscribe(
      Handler.make(subscription, (event, { attempt, redelivered }) => handle(event, attempt, redelivered)).pipe(
        Handler.timeout(handlerTimeout),
        Handler.onFailure(policy)
      )
    )
  }
}
