/**
 * Runs a contestant in a process of its own.
 *
 * @since 0.1.0
 */

import { fork } from "node:child_process"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import * as Place from "./BenchTopology.ts"
import * as Contestants from "./Contestants.ts"
import { type Job, Report } from "./Report.ts"

/** Longer than any run takes that is of use, in milliseconds. */
const patience = 600_000

/**
 * A young generation as large as it becomes in a service that runs for days. It starts smaller, and each contestant would
 * have it grow at a moment of its own, some of them amid what is measured.
 */
const grown = "--min-semi-space-size=32"

const decode = Schema.decodeUnknownSync(Report)

const answer = (job: Job, signal: AbortSignal): Promise<Report> =>
  new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, "worker.ts"), {
      execArgv: [
        grown,
        ...Contestants.imports(job.contestant).flatMap((name) => ["--import", import.meta.resolve(name)])
      ],
      env: { ...process.env, EVENTBUS_BENCH_JOB: JSON.stringify(job) },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
      killSignal: "SIGKILL"
    })
    let said = ""
    child.stderr?.on("data", (chunk) => {
      said = `${said}${chunk}`.slice(-4000)
    })
    let report: unknown
    child.on("message", (message) => {
      report = message
    })
    child.on("error", reject)
    child.on("close", () => {
      if (report !== undefined) return resolve(decode(report))
      const reason = said.split("\n").find((line) => /^\w*Error\b/.test(line)) ?? said.trim().split("\n").at(-1)
      reject(new Error(reason?.trim() || "it ended without a word"))
    })
  })

/**
 * Runs a job, and removes what it leaves behind where it fails.
 *
 * @category running
 * @since 0.1.0
 */
export const run = async (job: Job, signal: AbortSignal): Promise<Report> => {
  try {
    return await answer(job, signal)
  } catch (error) {
    if (job.scenario.broker === "rabbitmq") await Place.remove(Place.plan(job.url, job.scenario, job.id))
    throw error
  }
}
