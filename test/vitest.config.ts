import { existsSync } from "node:fs"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import * as CompileCache from "./support/CompileCache.ts"

Object.assign(process.env, CompileCache.variables)

const globalSetup = "support/globalSetup.ts"

/** The files that take longest. One that begins last would keep a single worker busy at the end. */
const longest = [
  "sql/Kills",
  "bodies/Contract",
  "contract/RabbitMQ",
  "amqp/AmqpDeadLetters",
  "lab/run/Quick",
  "testing/BrokerContract",
  "cli/DeadLetters",
  "amqp/Recovery",
  "contract/Memory",
  "docs/Outputs",
  "lab/hostile/Hostile",
  "cli/Demo",
  "bench/Bench",
  "bodies/Bodies",
  "cli/Doctor"
].map((name) => `/${name}.test.ts`)

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const isLong = ({ moduleId }: TestSpecification) => longest.some((name) => moduleId.endsWith(name))
    // oxlint-disable-next-line unicorn/no-array-sort -- the sort of a sequencer, not of an array
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    globalSetup: existsSync(new URL(globalSetup, import.meta.url)) ? [globalSetup] : [],
    sequence: { sequencer: LongestFirst },
    // Most of the time is waiting for a broker.
    maxWorkers: 4,
    // A worker keeps its modules: to import them for each file would take longer than the tests.
    isolate: false,
    // A machine that is busy with other work is ten times slower.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    silent: "passed-only"
  }
})
