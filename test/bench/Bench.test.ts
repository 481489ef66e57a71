import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, inject, it } from "@effect/vitest"
import { names } from "../../packages/bench/src/Contestants.ts"

const url = inject("rabbitUrl") ?? ""
const program = join(import.meta.dirname, "../../packages/bench/src/bin.ts")

const bench = (...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, [program, "--rounds", "1", "--events", "40", ...args], {
    env: { ...process.env, BENCH_RABBITMQ_URL: url },
    timeout: 110_000
  })

describe.skipIf(url === "")("The bench", () => {
  it("gets every contestant through, and keeps what it found", { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "eventbus-bench-"))
    try {
      const scenarios = ["both-classic", "memory", "growth-memory-patterns"]
      const { stdout } = await bench("--quick", "--scenario", scenarios.join(","), "--out", folder)
      for (const name of [...names("rabbitmq"), ...names("memory"), ...scenarios]) assert.include(stdout, name)
      assert.notInclude(stdout, "failed")
      const widest = Math.max(
        ...stdout
          .split("\n")
          .slice(1, -3)
          .map((line) => line.length)
      )
      assert.isAtMost(widest, 80)
      const { outcomes, growths } = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"))
      assert.deepStrictEqual([outcomes.length, growths.length], [2, 1])
      for (const chart of ["ratios", "growth"]) {
        const svg = readFileSync(join(folder, `${chart}.svg`), "utf8")
        assert.match(svg, /^<svg .*<\/svg>\n$/s)
        assert.notMatch(svg, /NaN|Infinity|undefined/)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("profiles what it measures, and says where the time went", async () => {
    const folder = mkdtempSync(join(tmpdir(), "eventbus-bench-"))
    try {
      const { stdout } = await bench(
        "--scenario",
        "publish-classic,latency-classic",
        "--peer",
        "raw",
        "--profile",
        folder
      )
      assert.include(stdout, "publish-classic, eventbus: CPU time by module")
      assert.match(stdout, /^ +[\d.]+ % {2}eventbus\/EventCodec/m)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("says what there is when it is asked for something else", async () => {
    const { code, stderr } = await bench("--scenario", "nonsense").catch((error: unknown) => Object(error))
    assert.strictEqual(code, 2)
    assert.match(stderr, /^No scenario is named nonsense\. There are: publish, /)
  })
})
