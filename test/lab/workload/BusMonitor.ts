import { Effect, Inspectable, Layer, Logger, Metric, Tracer } from "effect"
import type { EventBus } from "effect-eventbus"
import { password } from "../broker/LabBroker.ts"

const kept = 400

type Bus = EventBus.EventBus["Service"]

/** A span that shows itself when it ends. */
class Shown extends Tracer.NativeSpan {
  readonly #show: (text: string) => void

  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], show: (text: string) => void) {
    super(options)
    this.#show = show
  }

  override end(...args: Parameters<Tracer.NativeSpan["end"]>): void {
    super.end(...args)
    this.#show(Inspectable.toStringUnknown([this.name, [...this.attributes], this.events, this.status]))
  }
}

/** Hears everything that a bus says, and counts its fibers. */
export class BusMonitor {
  /** The last lines of the log. */
  readonly log: Array<string> = []
  /** Where the password was seen. */
  readonly leaks: Array<string> = []
  /** How many log lines, spans, errors and answers it was looked for in. */
  inspected = 0
  #fibers = 0

  get fibers(): number {
    return this.#fibers
  }

  /** Looks for the password in anything that the bus said. */
  inspect(where: string, said: unknown): void {
    this.inspected += 1
    const text = typeof said === "string" ? said : JSON.stringify(said)
    if (text?.includes(password) === true) this.leaks.push(`${where}: ${text.slice(0, 200)}`)
  }

  /** Hears a line of a log. */
  addLogLine(line: string): void {
    this.inspect("a log line", line)
    if (line.includes("Dead-lettered")) return
    this.log.push(line)
    if (this.log.length > kept) this.log.shift()
  }

  /** Runs an effect whose logs are heard. */
  capture<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const logger = Logger.make(({ date, logLevel, message }) => {
      const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
      this.addLogLine(`${date.toISOString().slice(11, 23)} ${logLevel} ${text}`)
    })
    const tracer = Tracer.make({
      span: (options) => new Shown(options, (text) => this.inspect("a span", text))
    })
    const ears = Layer.merge(Logger.layer([logger]), Layer.succeed(Tracer.Tracer, tracer))
    return Effect.provide(effect, ears)
  }

  /** A bus of which the errors and the health are heard, too. */
  observe(bus: Bus): Bus {
    const error = (error: Error) =>
      Effect.sync(() => this.inspect("an error", `${error.stack} ${Inspectable.toStringUnknown(error)}`))
    return {
      ...bus,
      publish: (event, options) => bus.publish(event, options).pipe(Effect.tapError(error), Effect.withSpan("publish")),
      health: Effect.tap(bus.health, (health) => Effect.sync(() => this.inspect("health", health)))
    }
  }

  /** Runs an effect whose fibers are counted, as are those that they start. */
  countFibers<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.provideService(effect, Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => {
        this.#fibers += 1
      },
      recordFiberEnd: () => {
        this.#fibers -= 1
      }
    })
  }
}
