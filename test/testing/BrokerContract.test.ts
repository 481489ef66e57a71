import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
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
const run = (fixture: string, ...options: ReadonlyArray<string>): ReadonlyArray<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), "broker-contract-"))
  try {
    const report = join(folder, "report.json")
    const { error, stderr, stdout } = spawnSync(
      process.execPath,
      [vitest, "run", fixture, "--reporter=json", `--outputFile=${report}`, ...options],
      {
        cwd: join(import.meta.dirname, "fixtures"),
        encoding: "utf8",
        env: { PATH: process.env["PATH"], EVENTBUS_PROGRAMS: "100" },
        timeout: 60_000
      }
    )
    if (error) throw new Error(`${stdout}\n${stderr}`, { cause: error })
    const { testResults }: Report = JSON.parse(readFileSync(report, "utf8"))
    return testResults.flatMap(({ assertionResults }) => assertionResults)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const escaped = (text: string) => text.replace(/[^\w\s]/g, "\\$&")

describe("BrokerContract", () => {
  it("passes a broker that keeps every promise", { timeout: 60_000 }, () => {
    const outcomes = run("Right.contract.ts")
    const others = outcomes.filter(({ status }) => status !== "passed")
    assert.deepStrictEqual(
      others.map(({ failureMessages, title }) => [title, ...failureMessages]),
      []
    )
    assert.isAbove(outcomes.length, 100)
  })

  describe("fails a broker that", () => {
    const programs = "100 programs behave as the model says"
    let failed: ReadonlyArray<Outcome> = []
    const failureOf = (broker: string, test: string) =>
      failed.find(({ ancestorTitles, title }) => ancestorTitles.join().endsWith(`(${broker})`) && title === test)

    beforeAll(() => {
      // For each broker the one test that must fail: many others would wait for what is lost.
      const tests = [...broken, { name: "publishes twice", failing: programs }]
      const names = tests.map(({ failing, name }) => `${escaped(`(${name})`)}.*${escaped(failing)}`).join("|")
      failed = run("Broken.contract.ts", "--testNamePattern", names).filter(({ status }) => status === "failed")
    })

    for (const { failing, name } of broken) it(name, () => assert.isDefined(failureOf(name, failing)))

    it("publishes twice, and shows the smallest program that does", () => {
      const [message = ""] = failureOf("publishes twice", programs)?.failureMessages ?? []
      assert.match(message, /publishes twice differs from the model:\n   start plain-1 on #\n 1 publish .*: ack\n/)
    })
  })
})
