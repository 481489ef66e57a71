/** The process of one run: it takes its job from the environment and sends back its report. */
import { readFileSync } from "node:fs"
import { findPackageJSON } from "node:module"
import * as Schema from "effect/Schema"
import * as BenchTopology from "./BenchTopology.ts"
import * as Contestants from "./Contestants.ts"
import * as Measure from "./Measure.ts"
import { Job, type Report } from "./Report.ts"

const versionOf = (name: string): string => {
  if (name === "node") return process.versions.node
  const manifest = findPackageJSON(name, import.meta.url)
  return manifest === undefined ? "?" : JSON.parse(readFileSync(manifest, "utf8")).version
}

// The parent process is gone, so the report has no recipient.
process.once("disconnect", () => process.exit(1))

const {
  contestant,
  id,
  profile,
  scenario: wanted,
  url
} = Schema.decodeUnknownSync(Schema.fromJsonString(Job))(process.env["EVENTBUS_BENCH_JOB"])
const scenario = Contestants.scenarioOf(contestant, wanted)
const { open, package: name } = await Contestants.load(scenario.broker, contestant)
const topology = BenchTopology.plan(url, scenario, id)
const declares = scenario.broker === "rabbitmq"
if (declares) await BenchTopology.make(topology, scenario)
const measured = await Measure.run(open, scenario, topology, profile)
if (declares) await BenchTopology.remove(topology)
const report: Report = { ...measured, version: versionOf(name) }
process.send?.(report, () => process.exit(0))
