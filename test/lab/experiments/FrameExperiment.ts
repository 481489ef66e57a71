import { connect } from "amqplib"
import { SeededRandom } from "../../support/SeededRandom.ts"
import { url } from "../broker/LabBroker.ts"
import type { Experiment } from "./Experiment.ts"
import * as FrameSchedule from "./FrameSchedule.ts"
import * as ResultRow from "./ResultRow.ts"

const concurrency = 12

/** Makes an experiment of many schedules of cuts. The seed of the run determines the seed of each schedule. */
export const experiment = (count: number): Experiment => ({
  name: "frames",
  run: async ({ progress, schedule, seed, single }) => {
    const started = Date.now()
    const { ports } = await single.get()
    const [port = 0] = ports
    const random = SeededRandom.of(seed, "frames")
    const seeds = schedule === undefined ? Array.from({ length: count }, () => random.int(0, 2 ** 31)) : [schedule]
    const outcomes: Array<FrameSchedule.Outcome> = []
    const model = await connect(url(port))
    model.on("error", () => {})
    const waiting = [...seeds]
    const worker = async (): Promise<void> => {
      // Each worker has a channel of its own, because requests on one channel wait for each other.
      const channel = await model.createChannel()
      channel.on("error", () => {})
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        outcomes.push(await FrameSchedule.run(port, channel, next))
        progress?.(`${outcomes.length} of ${seeds.length}`)
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, seeds.length) }, worker))
    await model.close()
    const sum = (of: (outcome: FrameSchedule.Outcome) => number) =>
      outcomes.reduce((total, each) => total + of(each), 0)
    const failed: Record<string, number> = {}
    for (const { balance } of outcomes) {
      for (const [reason, n] of Object.entries(balance.failed)) failed[reason] = (failed[reason] ?? 0) + n
    }
    const bad = outcomes.filter(({ breaches }) => breaches.length > 0)
    return {
      ...ResultRow.empty,
      fault: "frames",
      seed,
      confirmed: sum(({ balance }) => balance.confirmed),
      handled: sum(({ balance }) => balance.handled),
      dead: sum(({ balance }) => balance.dead),
      left: sum(({ balance }) => balance.left),
      lost: sum(({ balance }) => balance.lost.length),
      duplicates: sum(({ balance }) => balance.duplicates),
      failed,
      took_ms: Date.now() - started,
      notes: [
        `${outcomes.length} schedules`,
        `${sum(({ done }) => done)} cuts of ${sum(({ planned }) => planned.length)}`
      ],
      inspected: sum(({ inspected }) => inspected),
      breaches: bad.flatMap(({ breaches }) => breaches),
      log: bad[0]?.log ?? []
    }
  }
})
