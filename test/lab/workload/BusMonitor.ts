import { Effect, Inspectable, Layer, Logger, Metric, Tracer } from "effect"
import type { EventBus } from "effect-eventbus"
import { password } from "../broker/LabBroker.ts"
import * as RecordingTracer from "./RecordingTracer.ts"

const keptLines = 400

type Bus = EventBus.EventBus["Service"]

/** Observes a bus: keeps its log, searches everything it outputs for the password, and counts its fibers. */
export class BusMonitor {
  /** The last lines of the log. */
  readonly log: Array<string> = []
  /** The texts in which the password was found. */
  readonly leaks: Array<string> = []
  /** The number of texts that were searched for the password. */
  inspected = 0
  #fibers = 0

  /** The number of fibers that run. */
  get fibers(): number {
    return this.#fibers
  }

  /** Searches a value for the password. */
  inspect(origin: string, value: unknown): void {
    this.inspected += 1
    const text = typeof value === "string" ? value : JSON.stringify(value)
    if (text?.includes(password) === true) this.leaks.push(`${origin}: ${text.slice(0, 200)}`)
  }

  /** Adds a line to the log. */
  addLogLine(line: string): void {
    this.inspect("a log line", line)
    if (line.includes("Dead-lettered")) return
    this.log.push(line)
    if (this.log.length > keptLines) this.log.shift()
  }

  /** Captures the logs and spans of an effect. */
  capture<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const logger = Logger.make(({ date, logLevel, message }) => {
      const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
      this.addLogLine(`${date.toISOString().slice(11, 23)} ${logLevel} ${text}`)
    })
    const tracer = RecordingTracer.make((span) => this.inspect("a span", span))
    return Effect.provide(effect, Layer.merge(Logger.layer([logger]), Layer.succeed(Tracer.Tracer, tracer)))
  }

  /** Returns a bus whose publish errors and health reports are inspected. */
  observe(bus: Bus): Bus {
    const error = (error: Error) =>
      Effect.sync(() => this.inspect("an error", `${error.stack} ${Inspectable.toStringUnknown(error)}`))
    return {
      ...bus,
      publish: (event, options) => bus.publish(event, options).pipe(Effect.tapError(error), Effect.withSpan("publish")),
      health: Effect.tap(bus.health, (health) => Effect.sync(() => this.inspect("health", health)))
    }
  }

  /** Counts the fibers that an effect starts, including its own. */
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
