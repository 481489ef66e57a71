import { Effect, Logger, Metric } from "effect"
import { password } from "./Site.ts"

const kept = 400

/** Hears what a bus logs, and counts its fibers. */
export class Witness {
  /** The last lines of the log. */
  readonly log: Array<string> = []
  /** Where the password was seen. */
  readonly secrets: Array<string> = []
  #fibers = 0

  get fibers(): number {
    return this.#fibers
  }

  /** Looks for the password in anything that the bus said. */
  inspect(where: string, said: unknown): void {
    const text = typeof said === "string" ? said : JSON.stringify(said)
    if (text?.includes(password) === true) this.secrets.push(`${where}: ${text.slice(0, 200)}`)
  }

  /** Hears a line of a log. */
  heard(line: string): void {
    this.inspect("a log line", line)
    if (line.includes("Dead-lettered")) return
    this.log.push(line)
    if (this.log.length > kept) this.log.shift()
  }

  /** Runs an effect whose logs are heard. */
  hear<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const logger = Logger.make(({ date, logLevel, message }) => {
      const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
      this.heard(`${date.toISOString().slice(11, 23)} ${logLevel} ${text}`)
    })
    return Effect.provide(effect, Logger.layer([logger]))
  }

  /** Runs an effect whose fibers are counted, as are those that they start. */
  watch<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
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
