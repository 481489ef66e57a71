/**
 * Runs a contestant in a process of its own.
 *
 * @since 0.1.0
 */

import { fork } from "node:child_process"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import * as BenchTopology from "./BenchTopology.ts"
import * as Contestants from "./Contestants.ts"
import { type Job, Report } from "./Report.ts"

/** The time limit of a run in milliseconds. Useful runs take less. */
const patience = 600_000

/**
 * Starts V8 with a young generation as large as it gets in a service that runs for days. By default it starts smaller and
 * grows at a different moment for each contestant, for some of them during the measurement.
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
      reject(new Error(reason?.trim() || "the process ended without an error message"))
    })
  })

/**
 * Runs a job, and deletes its topology when it fails.
 *
 * @category running
 * @since 0.1.0
 */
export const run = async (job: Job, signal: AbortSignal): Promise<Report> => {
  try {
    return await answer(job, signal)
  } catch (error) {
    const { id, scenario, url } = job
    if (scenario.broker === "rabbitmq") await BenchTopology.remove(BenchTopology.plan(url, scenario, id))
    throw error
  }
}
