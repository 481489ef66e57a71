/**
 * The targets of the bench, and whether the measurements meet them.
 *
 * @since 0.1.0
 */

import * as Contestants from "./Contestants.ts"
import type { Growth } from "./Growth.ts"
import * as Outcome from "./Outcome.ts"
import type { Scenario } from "./Scenario.ts"
import * as Startup from "./Startup.ts"

/**
 * A target and the measurement for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  readonly what: string
  readonly wanted: string
  /** The worst measured value. */
  readonly measured: string
  readonly isMet: boolean
}

/** Whether a scenario counts for the speed on RabbitMQ. */
const main = ({ broker, isForPeers }: Scenario): boolean => broker === "rabbitmq" && isForPeers

interface Ratio {
  readonly value: number
  readonly of: string
}

/** The steps of handlers whose cost has a target, and the contestants that have them. */
const steps = [
  ["a breaker", "eventbus-breaker"],
  ["a rate limit", "eventbus-rate-limit"],
  ["an adaptive concurrency", "eventbus-adaptive"]
] as const

const show = ({ of, value }: Ratio): string => `${value.toFixed(2)} ${of}`.trimEnd()

const least = (what: string, bound: number, found: ReadonlyArray<Ratio>): ReadonlyArray<Target> => {
  const [worst] = found.toSorted((a, b) => a.value - b.value)
  return worst === undefined ? [] : [{ what, wanted: `≥ ${bound}`, measured: show(worst), isMet: worst.value >= bound }]
}

const most = (what: string, bound: number, found: ReadonlyArray<Ratio>): ReadonlyArray<Target> => {
  const [worst] = found.toSorted((a, b) => b.value - a.value)
  return worst === undefined ? [] : [{ what, wanted: `≤ ${bound}`, measured: show(worst), isMet: worst.value <= bound }]
}

/**
 * Returns the targets for which there are measurements.
 *
 * @category getters
 * @since 0.1.0
 */
export const all = (
  outcomes: ReadonlyArray<Outcome.Outcome>,
  growths: ReadonlyArray<Growth>,
  startup: Startup.Startup | undefined
): ReadonlyArray<Target> => {
  const help = (values: ReadonlyArray<number> | undefined): ReadonlyArray<Ratio> => {
    const value = Outcome.median(values ?? [])
    return value === undefined ? [] : [{ value, of: "" }]
  }
  const ratio = (
    isAbout: (scenario: Scenario) => boolean,
    measure: Outcome.Measure,
    to?: string,
    contestant = "eventbus"
  ): ReadonlyArray<Ratio> =>
    outcomes.flatMap((outcome) => {
      const value = Outcome.median(Outcome.ratios(outcome, measure, contestant, to))
      const { name } = outcome.scenario
      return isAbout(outcome.scenario) && value !== undefined
        ? [{ value, of: to === undefined ? name : `${name} ${to}` }]
        : []
    })
  const peers = Contestants.names("rabbitmq").filter((name) => !/^(eventbus|raw)/.test(name))
  const routing = growths.find(({ series }) => series.name === "growth-memory-patterns")
  const law = routing?.lines.find(({ contestant }) => contestant === "eventbus")?.grows
  return [
    ...least("throughput against raw", 0.95, ratio(main, "throughput")),
    ...least(
      "throughput against peers",
      1,
      peers.flatMap((peer) => ratio(main, "throughput", peer))
    ),
    ...most("CPU against raw", 1.3, ratio(main, "cpu")),
    ...least("throughput, raw-multiple", 0.95, ratio(main, "throughput", "raw-multiple")),
    ...most("CPU, raw-multiple", 1.3, ratio(main, "cpu", "raw-multiple")),
    ...most(
      "p99 against raw",
      1.2,
      ratio(({ work }) => work === "paced", "p99")
    ),
    ...least(
      "requests against raw",
      0.85,
      ratio(({ inFlight, work }) => work === "request" && inFlight > 1, "throughput")
    ),
    ...most(
      "p50 of requests against raw",
      1.3,
      ratio(({ work }) => work === "request", "p50")
    ),
    ...least("with a tracer against none", 0.9, ratio(main, "throughput", "eventbus", "eventbus-traced")),
    ...steps.flatMap(([step, contestant]) =>
      least(
        `with ${step} against none`,
        0.97,
        ratio(({ work, batch }) => work === "consume" && batch === 1, "throughput", "eventbus", contestant)
      )
    ),
    ...least(
      "ordered against unordered",
      0.8,
      ratio(({ keys }) => keys > 0, "throughput", "eventbus-unordered")
    ),
    ...least(
      "batches against raw",
      0.95,
      ratio(({ batch }) => batch > 1, "throughput")
    ),
    ...least(
      "batches against events by themselves",
      5,
      ratio(({ batch }) => batch > 1, "throughput", "eventbus-single")
    ),
    ...least(
      "memory against smqp",
      1,
      ratio(({ name }) => name === "memory", "throughput")
    ),
    ...(law === undefined || law === "unknown"
      ? []
      : [
          {
            what: "memory, idle patterns",
            wanted: "constant",
            measured: law,
            isMet: law === "constant"
          }
        ]),
    ...most("eventbus --help, seconds", 0.4, help(startup?.help)),
    ...most("the same against imports", 1.5, help(startup && Startup.ratios(startup)))
  ]
}
