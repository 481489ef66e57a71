import { existsSync } from "node:fs"
import { configDefaults, defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import * as CompileCache from "./support/CompileCache.ts"

Object.assign(process.env, CompileCache.variables)

const globalSetup = "support/globalSetup.ts"

/** The files that take longest, the longest first. One that begins last would keep a single worker busy at the end. */
const longest = [
  "bodies/CloudEventsContract",
  "bodies/CloudEventsRabbitMQ",
  "bodies/Contract",
  "contract/RabbitMQ",
  "testing/BrokerContract",
  "amqp/AmqpDeadLetters",
  "sql/Kills",
  "contract/Memory",
  "lab/run/Quick",
  "amqp/Recovery",
  "bench/Bench",
  "amqp/Start",
  "cli/Demo",
  "amqp/Consumer",
  "amqp/Publisher",
  "docs/Outputs",
  "lab/hostile/Hostile",
  "cli/Queue",
  "cli/Blobs",
  "amqp/Deployment",
  "cli/Serve",
  "inspect/Retries",
  "eventbus/Outage",
  "cli/Console",
  "cli/Topology",
  "cli/DeadLetters",
  "cli/Doctor",
  "cli/Contract",
  "examples/Contract"
].map((name) => `/${name}.test.ts`)

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((name) => moduleId.endsWith(name))
      return at === -1 ? longest.length : at
    }
    // oxlint-disable-next-line unicorn/no-array-sort -- the sort of a sequencer, not of an array
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rank(a) - rank(b))
  }
}

/** The tests that take minutes and run on one version of RabbitMQ: that of `TEST_RABBITMQ_HOME`. */
const onOneVersion = process.env["TEST_RABBITMQ_HOME"] ? [] : ["bodies/CloudEventsRabbitMQ.test.ts"]

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...onOneVersion],
    globalSetup: existsSync(new URL(globalSetup, import.meta.url)) ? [globalSetup] : [],
    sequence: { sequencer: LongestFirst },
    // Four fifths of the time of a worker is waiting for a broker, or for a time to pass.
    maxWorkers: 6,
    // A worker keeps its modules: to import them for each file would take longer than the tests.
    isolate: false,
    // A machine that is busy with other work is ten times slower.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    silent: "passed-only"
  }
})
