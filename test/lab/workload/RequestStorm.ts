import { AmqpBroker } from "@effect-eventbus/amqp"
import { Context, DateTime, Effect, Exit, Layer, Metric, Redacted, Schema } from "effect"
import type { Scope } from "effect"
import { EventBus, FailurePolicy, Handler, Request, Subscription } from "effect-eventbus"
import type { RequestError } from "effect-eventbus"
import { readings } from "../../../packages/testing/src/contract/Readings.ts"
import type { SeededRandom } from "../../support/SeededRandom.ts"
import { TcpProxy } from "../proxy/TcpProxy.ts"

class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}

const Double = Request.make("lab.double", {
  payload: Schema.Struct({ n: Schema.Int }),
  success: Schema.Struct({ twice: Schema.Int }),
  error: Odd
})

/** The calls of a storm. */
export interface StormShape {
  readonly calls: number
  readonly concurrency: number
  /** The least and the most milliseconds that a call waits. */
  readonly timeout: readonly [least: number, most: number]
  /** The most milliseconds that a handler takes. */
  readonly handling: number
}

/** The broker and the names of a storm. */
export interface StormPlace {
  /** The port of the broker. */
  readonly port: number
  readonly url: (port: number) => string
  /** The name of the exchange, and the prefix of the queue. */
  readonly name: string
}

/** A call that takes this many milliseconds longer than its timeout waits in vain. */
const slack = 1000

/** Milliseconds by which two clocks may differ that are read one after the other. */
const blink = 50

/** A requester and its responders, each behind a proxy of its own, and the record of their calls. */
export class RequestStorm {
  readonly failed: Record<string, number> = {}
  readonly breaches: Array<string> = []
  /** The queues that replies were sent to. */
  readonly replyQueues = new Set<string>()
  answered = 0
  ended = 0
  readonly queue: string
  readonly #place: StormPlace
  readonly #shape: StormShape
  readonly #random: SeededRandom
  readonly #registry = new Map()

  constructor(place: StormPlace, shape: StormShape, random: SeededRandom) {
    this.queue = `${place.name}.double`
    this.#place = place
    this.#shape = shape
    this.#random = random
  }

  /** Makes a bus behind a proxy. */
  bus(): Effect.Effect<{ readonly bus: EventBus.EventBus["Service"]; readonly tcp: TcpProxy }, unknown, Scope.Scope> {
    const { name, port, url } = this.#place
    return Effect.gen({ self: this }, function* () {
      const tcp = yield* Effect.acquireRelease(
        Effect.promise(() => TcpProxy.open(port)),
        (tcp) => Effect.promise(() => tcp.close())
      )
      const options = { url: Redacted.make(url(tcp.port)), exchange: name, heartbeat: "2 seconds" } as const
      const context = yield* Layer.build(Layer.provide(EventBus.layer, AmqpBroker.layer(options)))
      return { bus: Context.get(context, EventBus.EventBus), tcp }
    }).pipe(Effect.provideService(Metric.MetricRegistry, this.#registry))
  }

  /** Starts a responder. `vanish` ends it as a killed process ends for the broker: without a word, and for good. */
  responder(): Effect.Effect<{ readonly tcp: TcpProxy; readonly vanish: Effect.Effect<void> }, unknown, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { bus, tcp } = yield* this.bus()
      const subscription = Subscription.make(this.queue, { events: [Double], concurrency: 100, drainTimeout: 0 })
      const handler = Request.handle(
        subscription,
        Double,
        ({ payload: { n }, timestamp, ttlSeconds = 0 }, { envelope }) =>
          Effect.gen({ self: this }, function* () {
            this.replyQueues.add(envelope.replyTo ?? "")
            const late = Date.now() - DateTime.toEpochMillis(timestamp) - ttlSeconds * 1000
            if (late > blink) this.breaches.push(`call ${n} is handled ${late} ms after its deadline`)
            yield* Effect.sleep(this.#random.int(0, this.#shape.handling))
            if (n % 17 === 0) return yield* Effect.die(new Error(`no ${n}`))
            return n % 2 === 0 ? { twice: 2 * n } : yield* new Odd({ n })
          })
      )
      yield* bus.subscribe(handler.pipe(Handler.onFailure(FailurePolicy.discard)))
      const vanish = Effect.promise(async () => {
        await tcp.refuse()
        tcp.cut()
      })
      return { tcp, vanish }
    })
  }

  /** Makes all calls, and records each that does not end as it must. */
  calls(bus: EventBus.EventBus["Service"]): Effect.Effect<void> {
    const [least, most] = this.#shape.timeout
    const one = (n: number) =>
      Effect.suspend(() => {
        const timeout = this.#random.int(least, most)
        const since = Date.now()
        return Effect.map(Effect.exit(Request.call(Double, { n }, { timeout })), (exit) => {
          this.ended += 1
          this.#check(n, exit, timeout, Date.now() - since)
        })
      })
    return Effect.forEach(
      Array.from({ length: this.#shape.calls }, (_, n) => n),
      one,
      { concurrency: this.#shape.concurrency, discard: true }
    ).pipe(Effect.provideService(EventBus.EventBus, bus))
  }

  /** The number of calls that wait, as the bus counts them. */
  readonly waiting = Effect.map(readings, (all) => all["eventbus_requests_waiting"] ?? 0).pipe(
    Effect.provideService(Metric.MetricRegistry, this.#registry)
  )

  #check(
    n: number,
    exit: Exit.Exit<{ readonly twice: number }, Odd | RequestError.RequestError>,
    timeout: number,
    took: number
  ): void {
    const wrong = (what: string) => void this.breaches.push(`call ${n} with ${timeout} ms ${what} after ${took} ms`)
    if (took > timeout + slack) wrong("ends only")
    if (Exit.isSuccess(exit)) {
      this.answered += 1
      if (exit.value.twice !== 2 * n || n % 2 === 1 || n % 17 === 0) wrong(`is answered by ${exit.value.twice}`)
      return
    }
    const error = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
    if (error === undefined) return wrong("dies")
    if (error._tag === "Odd") {
      this.answered += 1
      if (error.n !== n || n % 2 === 0 || n % 17 === 0) wrong(`is answered by an error about ${error.n}`)
      return
    }
    const { reason } = error
    this.failed[reason._tag] = (this.failed[reason._tag] ?? 0) + 1
    if (reason._tag === "ResponderDied") {
      this.answered += 1
      if (n % 17 !== 0 || !reason.detail.includes(`no ${n}`)) wrong(`fails with "${reason.message}"`)
    } else if (reason._tag !== "NoReply" || took < timeout - blink) wrong(`fails with "${reason.message}"`)
  }
}
