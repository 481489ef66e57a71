/** The process of one run: what it is to do is in its environment, and it answers with what came of it. */
import { readFileSync } from "node:fs"
import { findPackageJSON } from "node:module"
import * as Schema from "effect/Schema"
import * as Place from "./BenchTopology.ts"
import * as Contestants from "./Contestants.ts"
import * as Measure from "./Measure.ts"
import { Job, type Report } from "./Report.ts"

const versionOf = (name: string): string => {
  if (name === "node") return process.versions.node
  const manifest = findPackageJSON(name, import.meta.url)
  return manifest === undefined ? "?" : JSON.parse(readFileSync(manifest, "utf8")).version
}

// Whoever asked is gone: nobody wants the answer.
process.once("disconnect", () => process.exit(1))

const { contestant, id, profile, scenario, url } = Schema.decodeUnknownSync(Schema.fromJsonString(Job))(
  process.env["EVENTBUS_BENCH_JOB"]
)
const { open, package: name } = await Contestants.load(scenario.broker, contestant)
const place = Place.plan(url, scenario, id)
const declares = scenario.broker === "rabbitmq"
if (declares) await Place.make(place, scenario)
const measured = await Measure.run(open, scenario, place, profile)
if (declares) await Place.remove(place)
const report: Report = { ...measured, version: versionOf(name) }
process.send?.(report, () => process.exit(0))
