import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { findBreaches } from "../lab/ledger/findBreaches.ts"
import { defaults } from "../lab/ledger/Tolerances.ts"
import { run } from "./report.mjs"

const directory = mkdtempSync(join(tmpdir(), "eventbus-report-"))
afterAll(() => rmSync(directory, { recursive: true }))
let files = 0

/** Writes a report, and returns its path. */
const written = (report: unknown): string => {
  const path = join(directory, `${files++}.json`)
  writeFileSync(path, JSON.stringify(report))
  return path
}

/** A gate, in which things fail one after the other. */
const gate = () => {
  const secondRuns = join(directory, `second-runs-${files++}`)
  return {
    tests: (failures: Record<string, string>) =>
      run(
        "again",
        "tests",
        written({
          testResults: Object.entries(failures).map(([name, message]) => ({
            name: join(process.cwd(), "test", name),
            status: "failed",
            assertionResults: [{ status: "failed", fullName: `of ${name}`, failureMessages: [message] }]
          }))
        }),
        secondRuns
      ),
    faults: (breaches: Record<string, ReadonlyArray<string>>, lost = 0) =>
      run(
        "again",
        "faults",
        written({ seed: 7, rows: Object.entries(breaches).map(([fault, breaches]) => ({ fault, lost, breaches })) }),
        secondRuns
      ),
    secondRuns: () => run("second-runs", secondRuns).said
  }
}

const slow = "not within 30s: every queue handles new events"

describe("The gate", () => {
  it("gives one test file and one fault a second run in all, and names them", () => {
    const { faults, secondRuns, tests } = gate()
    assert.strictEqual(secondRuns(), "Nothing got a second run.")
    assert.deepStrictEqual(tests({ "amqp/A.test.ts": "Test timed out" }), { status: 0, said: "amqp/A.test.ts" })
    assert.deepStrictEqual(faults({ rst: [slow], none: [] }), { status: 0, said: "--only rst --seed 7" })
    assert.strictEqual(tests({ "amqp/B.test.ts": "Test timed out" }).status, 1)
    assert.strictEqual(faults({ "kill-9": [slow] }).status, 1)
    assert.match(secondRuns(), /^Second run: tests .*: amqp\/A\.test\.ts\nSecond run: faults .*: rst$/)
  })

  it("gives none where two files or two faults fail, and where nothing says what failed", () => {
    const { faults, secondRuns, tests } = gate()
    assert.deepInclude(tests({ "A.test.ts": "no", "B.test.ts": "no" }), {
      status: 1,
      said: "No second run: 2 failed: A.test.ts, B.test.ts"
    })
    assert.deepStrictEqual(faults({ a: [slow], b: [slow] }), {
      status: 1,
      said: `No second run: 2 failed: a, b\na:\n  ${slow}\nb:\n  ${slow}`
    })
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`fault-${i}`, [slow.repeat(90)]]))
    assert.isBelow(faults(many).said.length, 3_500)
    assert.strictEqual(tests({}).status, 1)
    assert.strictEqual(secondRuns(), "Nothing got a second run.")
  })

  const grave = [
    "not within 1m: every confirmed event is handled (3 not handled)",
    "not within 1m: nothing waits in the queues of 3 subscriptions (0 not handled, in queues: q0 1)",
    "not within 40s: the second process has finished the work",
    "not within 5s: no socket is left (2)",
    "not within 5s: no fiber is left (2)",
    "not within 30s: the broker has no connection of the bus",
    "not within 30s: every publisher ends",
    "not within 20s: the bus is closed",
    "not caught under rst (exit code 0)"
  ]
  const wrong = ["x"]
  const balance = {
    attempted: 9,
    confirmed: 9,
    failed: { Nacked: 1 },
    handled: 9,
    dead: 0,
    left: 1,
    destroyed: 1,
    duplicates: 1,
    lost: [{ id: "x", queue: "q", script: "fine", at: "" }],
    unanswered: wrong,
    strangers: wrong,
    phantoms: wrong,
    misjudged: wrong
  }
  const closes = [{ code: 541, text: "INTERNAL_ERROR" }]
  const tolerances = { ...defaults, disruptions: 0 }
  const found = findBreaches(balance, { tolerances, closes, excuses: [], leaks: wrong, inFlight: 1 })
  for (const breach of [...grave, ...found]) {
    it(`gives none to what slowness cannot explain: ${breach}`, () => {
      const { faults, secondRuns, tests } = gate()
      assert.strictEqual(faults({ rst: [slow, breach] }).status, 1)
      assert.strictEqual(
        tests({ "lab/run/Quick.test.ts": `fault=rst lost=0\n    ✗ ${slow}\n    ✗ ${breach}` }).status,
        1
      )
      assert.strictEqual(secondRuns(), "Nothing got a second run.")
    })
  }

  it("gives none to a test that tells of a loss, a leak or a duplicate", () => {
    const { faults, tests } = gate()
    for (const message of ["fault=rst lost=2", "2 channels leaked", "handled twice", "3 duplicates", "left=1"]) {
      assert.strictEqual(tests({ "A.test.ts": message }).status, 1, message)
    }
    assert.strictEqual(faults({ rst: [slow] }, 1).status, 1)
  })

  it("knows the expectations of the lab by their names", () => {
    const sources = ["experiments/FaultExperiment.ts", "experiments/ProcessExperiment.ts", "workload/Workload.ts"]
      .map((file) => readFileSync(join(import.meta.dirname, "../lab", file), "utf8"))
      .join("")
    for (const breach of grave.filter((breach) => breach.startsWith("not within"))) {
      const [, expectation = ""] = /: (.*?)( of 3 .*| \(.*)?$/.exec(breach) ?? []
      assert.include(sources, expectation)
    }
  })
})

describe("The sum of the tests", () => {
  const file = (name: string, ...failures: ReadonlyArray<string>) => ({
    name: join(process.cwd(), "test", name),
    status: failures.length === 0 ? "passed" : "failed",
    assertionResults: [
      { status: "passed", fullName: "It is right", failureMessages: [] },
      ...failures.map((message) => ({ status: "failed", fullName: "It works", failureMessages: [message, "later"] }))
    ]
  })
  const sum = (...runs: ReadonlyArray<ReadonlyArray<unknown>>) =>
    run("sum", ...runs.map((testResults) => written({ testResults })))

  it("says why a test failed, also where it passed in its second run", () => {
    const failed = file("A.test.ts", "\u001b[31mexpected 1 to equal 2\u001b[39m\n    at A.test.ts:7:1")
    const reason = "A.test.ts: It works\n  expected 1 to equal 2\n      at A.test.ts:7:1\n"
    assert.deepStrictEqual(sum([failed]), { status: 1, said: `Failed: ${reason}1 passed, 1 failed, 0 skipped` })
    const again = sum([failed, file("B.test.ts")], [file("A.test.ts")])
    assert.deepStrictEqual(again, { status: 0, said: `Failed at first: ${reason}2 passed, 0 failed, 0 skipped` })
  })

  it("says why a file has no tests", () => {
    const broken = { ...file("A.test.ts"), status: "failed", message: "Cannot find module", assertionResults: [] }
    assert.include(sum([broken]).said, "Failed: A.test.ts as a whole\n  Cannot find module\n")
  })

  it("cuts what is long, so that the end of an output shows all failures", () => {
    const lines = Array.from({ length: 99 }, (_, line) => `line ${line}`).join("\n")
    assert.match(sum([file("A.test.ts", lines)]).said, /\n {2}line 14\n1 passed/)
    const many = sum([file("A.test.ts", ...Array.from({ length: 40 }, () => "x".repeat(9_000)))])
    assert.isBelow(many.said.length, 11_000)
    assert.strictEqual(many.said.match(/It works\n {2}x/g)?.length, 40)
    assert.isBelow(sum([file("A.test.ts", "x".repeat(9_000))]).said.length, 1_700)
  })

  it("is what the script prints, and its exit code", () => {
    const report = written({ testResults: [file("A.test.ts", "no")] })
    const script = join(import.meta.dirname, "report.mjs")
    const { status, stdout } = spawnSync(process.execPath, [script, "sum", report], { encoding: "utf8" })
    assert.deepStrictEqual({ status, said: stdout }, { status: 1, said: `${run("sum", report).said}\n` })
    const { status: refused, stderr } = spawnSync(process.execPath, [script, "again", "tests", "none", "none"], {
      encoding: "utf8"
    })
    assert.deepStrictEqual([refused, stderr], [1, "No second run: the report names no failure\n"])
  })
})
