import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, inject, it } from "@effect/vitest"
import { names } from "../../packages/bench/src/Contestants.ts"

const rabbitUrl = inject("rabbitUrl") ?? ""
const program = join(import.meta.dirname, "../../packages/bench/src/bin.ts")

/** Runs the bench as small as it gets, with a folder for what it writes. */
const bench = async (
  url: string,
  args: (folder: string) => ReadonlyArray<string>,
  check: (stdout: string, folder: string) => void
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "eventbus-bench-"))
  try {
    const small = ["--quick", "--rounds", "1", "--events", "40"]
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...small, ...args(folder)], {
      env: { ...process.env, BENCH_RABBITMQ_URL: url, TEST_RABBITMQ_URL: url },
      timeout: 280_000
    })
    check(stdout, folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const checkTable = (stdout: string, expected: ReadonlyArray<string>): void => {
  for (const text of expected) assert.include(stdout, text)
  assert.notInclude(stdout, "failed")
  // The first line names the machine, and the last one a folder.
  const [, ...lines] = stdout.trimEnd().split("\n").slice(0, -1)
  assert.isAtMost(Math.max(...lines.map((line) => line.length)), 80)
}

const checkChart = (file: string): void => {
  const svg = readFileSync(file, "utf8")
  assert.match(svg, /^<svg .*<\/svg>\n$/s)
  assert.notMatch(svg, /NaN|Infinity|undefined/)
}

describe("The bench", { timeout: 290_000 }, () => {
  it.skipIf(rabbitUrl === "")("gets every contestant through on RabbitMQ, and keeps what it found", () =>
    bench(
      rabbitUrl,
      (folder) => ["--scenario", "both-classic,batch,ordered", "--out", folder],
      (stdout, folder) => {
        checkTable(stdout, ["both-classic", ...names("rabbitmq"), "CPU against raw"])
        const { outcomes } = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"))
        const found: ReadonlyArray<ReadonlyArray<string>> = outcomes.map(
          ({ rows }: { readonly rows: ReadonlyArray<{ readonly contestant: string }> }) =>
            rows.map(({ contestant }) => contestant)
        )
        const [both, batch, ordered] = found
        const [single, unordered] = ["eventbus-single", "eventbus-unordered"]
        assert.deepStrictEqual(
          both,
          names("rabbitmq").filter((name) => name !== single && name !== unordered)
        )
        assert.deepStrictEqual(batch, ["eventbus", single, "raw"])
        assert.deepStrictEqual(ordered, ["eventbus", unordered, "raw"])
        checkChart(join(folder, "ratios.svg"))
      }
    )
  )

  it("needs no broker for what stays in memory", () =>
    bench(
      "",
      (folder) => ["--scenario", "memory,growth-memory-patterns,help", "--out", folder],
      (stdout, folder) => {
        checkTable(stdout, ["memory", ...names("memory"), "growth-memory-patterns", "--help"])
        for (const chart of ["ratios", "growth"]) checkChart(join(folder, `${chart}.svg`))
      }
    ))

  it.skipIf(rabbitUrl === "")("profiles what it measures, and says where the time went", () =>
    bench(
      rabbitUrl,
      (folder) => ["--scenario", "latency-classic", "--peer", "raw", "--profile", folder],
      (stdout) => {
        assert.include(stdout, "latency-classic, eventbus: CPU time by module")
        // Of so few events a sample may meet this module or that one.
        assert.match(stdout, /^ +[\d.]+ % {2}(eventbus|effect|amqp|amqplib)\/\w+/m)
      }
    )
  )

  it("says what there is when it is asked for something else", async () => {
    const { code, stderr } = await promisify(execFile)(process.execPath, [program, "--scenario", "nonsense"]).catch(
      (error: unknown) => Object(error)
    )
    assert.strictEqual(code, 2)
    assert.match(stderr, /^No scenario is named nonsense\. There are: publish, /)
  })
})
