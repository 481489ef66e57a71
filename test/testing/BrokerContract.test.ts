import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as CompileCache from "../support/CompileCache.ts"
import { broken } from "./fixtures/BrokenBrokers.ts"

interface Outcome {
  /** Titles of suites, which end with the name of the broker. */
  readonly ancestorTitles: ReadonlyArray<string>
  readonly title: string
  readonly status: "passed" | "failed" | "skipped"
  readonly failureMessages: ReadonlyArray<string>
}

interface Report {
  readonly testResults: ReadonlyArray<{ readonly assertionResults: ReadonlyArray<Outcome> }>
}

const vitest = join(import.meta.dirname, "../../node_modules/vitest/vitest.mjs")

/** Runs a fixture in a vitest of its own, as the author of a broker does, and returns the outcome of each test. */
const run = async (
  fixture: string,
  options: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = { EVENTBUS_PROGRAMS: "100" }
): Promise<ReadonlyArray<Outcome>> => {
  const folder = mkdtempSync(join(tmpdir(), "broker-contract-"))
  try {
    const report = join(folder, "report.json")
    const args = [vitest, "run", fixture, "--reporter=json", `--outputFile=${report}`, ...options]
    // It fails where a test of it fails, and has written its report then.
    const ended = await promisify(execFile)(process.execPath, args, {
      cwd: join(import.meta.dirname, "fixtures"),
      env: { ...CompileCache.variables, PATH: process.env["PATH"], ...env },
      maxBuffer: 2 ** 26,
      timeout: 300_000
    }).catch((error: unknown) => error)
    if (!existsSync(report)) throw new Error("There is no report", { cause: ended })
    const { testResults }: Report = JSON.parse(readFileSync(report, "utf8"))
    return testResults.flatMap(({ assertionResults }) => assertionResults)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const escaped = (text: string) => text.replace(/[^\w\s]/g, "\\$&")

describe("BrokerContract", () => {
  it("passes a broker that keeps every promise", { timeout: 320_000 }, async () => {
    const outcomes = await run("Right.contract.ts")
    const others = outcomes.filter(({ status }) => status !== "passed")
    assert.deepStrictEqual(
      others.map(({ failureMessages, title }) => [title, ...failureMessages]),
      []
    )
    assert.isAbove(outcomes.length, 100)
  })

  it("runs as many random programs as a broker asks for, unless the environment says otherwise", async () => {
    const titles = async (env: Readonly<Record<string, string>>) => {
      const outcomes = await run("Few.contract.ts", ["--testNamePattern", "programs behave"], env)
      return outcomes.filter(({ status }) => status === "passed").map(({ title }) => title)
    }
    assert.deepStrictEqual(await titles({}), ["3 programs behave as the model says"])
    assert.deepStrictEqual(await titles({ EVENTBUS_PROGRAMS: "2" }), ["2 programs behave as the model says"])
  })

  describe("fails a broker that", () => {
    const programs = "100 programs behave as the model says"
    let failed: ReadonlyArray<Outcome> = []
    const failureOf = (broker: string, test: string) =>
      failed.find(({ ancestorTitles, title }) => ancestorTitles.join().endsWith(`(${broker})`) && title === test)

    beforeAll(async () => {
      // For each broker the one test that must fail: many others would wait for what is lost.
      const tests = [...broken, { name: "publishes twice", failing: programs }]
      const names = tests.map(({ failing, name }) => `${escaped(`(${name})`)}.*${escaped(failing)}`).join("|")
      const outcomes = await run("Broken.contract.ts", ["--testNamePattern", names])
      failed = outcomes.filter(({ status }) => status === "failed")
    }, 320_000)

    for (const { failing, name } of broken) it(name, () => assert.isDefined(failureOf(name, failing)))

    it("publishes twice, and shows the smallest program that does", () => {
      const [message = ""] = failureOf("publishes twice", programs)?.failureMessages ?? []
      // One step with one event: which kind of step it is depends on the program that failed first.
      const step = "(publish|ask|stop plain-1 while it handles) [^;\\n]+: ack"
      assert.match(
        message,
        new RegExp(`publishes twice differs from the model:\n   start plain-1 on #\n 1 ${step}\nafter`)
      )
    })
  })
})
