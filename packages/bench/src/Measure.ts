/**
 * Runs a contestant through a scenario and measures it.
 *
 * The measurement begins after a warm-up of twice as many events. By then the code is
 * compiled and the connections are set up.
 *
 * @since 0.1.0
 */

import * as BenchTopology from "./BenchTopology.ts"
import type { Session, Stage } from "./Contestant.ts"
import * as Profiler from "./Profiler.ts"
import type { Report } from "./Report.ts"
import type { Payload } from "./SampleEvent.ts"
import * as SampleEvent from "./SampleEvent.ts"
import { pace, type Scenario } from "./Scenario.ts"

/** The most events before the measurement. With fewer, the compiler would still be at work during it. */
const mostWarmUp = 40_000
/** A paced scenario warms up at full speed, because at its own pace it would take long. */
const warmUpOf = ({ events, work }: Scenario): number => Math.min((work === "paced" ? 10 : 2) * events, mostWarmUp)

/** Counts handled events, and calls back at certain counts. */
class Counter {
  readonly latencies: Array<number> = []
  #count = 0
  readonly #waiting = new Map<number, () => void>()

  readonly handled = ({ sentAt }: Payload): void => {
    this.#count += 1
    if (this.keepsLatencies) this.latencies.push(performance.now() - sentAt)
    if (this.#waiting.size > 0) this.#waiting.get(this.#count)?.()
  }

  keepsLatencies = false

  /** Calls back synchronously when a number of events are handled. */
  at(count: number, f: () => void): void {
    this.#waiting.set(count, f)
  }

  until(count: number): Promise<void> {
    return this.#count >= count ? Promise.resolve() : new Promise((resolve) => this.at(count, resolve))
  }
}

interface Meter {
  readonly start: () => void
  readonly stop: () => Pick<Report, "seconds" | "cpu">
}

const meter = (): Meter => {
  let startedAt = 0
  let usage = process.cpuUsage()
  return {
    start: () => {
      usage = process.cpuUsage()
      startedAt = performance.now()
    },
    stop: () => {
      const seconds = (performance.now() - startedAt) / 1000
      const { system, user } = process.cpuUsage(usage)
      return { seconds, cpu: system + user }
    }
  }
}

/** Publishes at a fixed rate. It keeps nothing of a publish, because the garbage collector would move it. */
const paced = (session: Session, count: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const startedAt = performance.now()
    let sent = 0
    let confirmed = 0
    const onConfirm = (): void => {
      confirmed += 1
      if (confirmed === count) resolve()
    }
    const tick = (): void => {
      const due = Math.min(count, ((performance.now() - startedAt) * pace) / 1000)
      for (; sent < due; sent++) session.publishOne().then(onConfirm, reject)
      if (sent < count) setTimeout(tick, 1)
    }
    tick()
  })

const quantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0

/**
 * Measures a contestant at a scenario.
 *
 * @category running
 * @since 0.1.0
 */
export const run = async (
  open: (stage: Stage) => Promise<Session>,
  scenario: Scenario,
  topology: BenchTopology.BenchTopology,
  profile: string | undefined
): Promise<Omit<Report, "version">> => {
  const { events, failsEvery, inFlight, work } = scenario
  const counter = new Counter()
  const hasLatency = work === "paced" || work === "request"
  const payload = SampleEvent.payloads(scenario.payloadBytes)
  const warmUp = warmUpOf(scenario)
  let number = 0
  const stage: Stage = {
    scenario,
    topology,
    next: () => {
      const i = number++
      return { payload: payload(i), routingKey: SampleEvent.routingKey(scenario, i) }
    },
    fails: ({ number }, attempt) => failsEvery > 0 && attempt === 1 && number % failsEvery === 0,
    handled: counter.handled
  }
  if (work === "consume") await BenchTopology.fill(topology, scenario, warmUp + events)
  const session = await open(stage)
  const profiler = profile === undefined ? undefined : await Profiler.prepare()
  let running: Profiler.Profiler | undefined
  const time = meter()
  const start = () => {
    running = profiler?.start()
    counter.keepsLatencies = hasLatency
    time.start()
  }
  if (work === "consume") {
    const handled = counter.until(warmUp + events)
    counter.at(warmUp, start)
    await session.consume()
    await handled
  } else {
    const consumes = work !== "publish"
    const round = async (publishing: Promise<void>, total: number): Promise<void> => {
      await Promise.all([publishing, consumes ? counter.until(total) : undefined])
    }
    if (consumes) await session.consume()
    await round(session.publish(warmUp, inFlight), warmUp)
    start()
    await round(work === "paced" ? paced(session, events) : session.publish(events, inFlight), warmUp + events)
  }
  const measured = time.stop()
  if (profile !== undefined) await running?.write(profile)
  await session.close()
  const sorted = counter.latencies.toSorted((a, b) => a - b)
  return {
    events,
    ...measured,
    memory: process.resourceUsage().maxRSS * 1024,
    ...(hasLatency ? { latency: { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) } } : {})
  }
}
