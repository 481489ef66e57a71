/**
 * The bench: `npm run bench -- [--scenario NAME[,NAME]] [--peer NAME[,NAME]] [--events N] [--rounds N] [--quick]
 * [--profile FOLDER] [--out FOLDER]`. See README.md.
 */
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as BenchBroker from "./BenchBroker.ts"
import * as Contestants from "./Contestants.ts"
import * as Growth from "./Growth.ts"
import * as Machine from "./Machine.ts"
import * as Outcome from "./Outcome.ts"
import * as Profile from "./Profile.ts"
import * as Results from "./Results.ts"
import * as Scenario from "./Scenario.ts"
import * as Startup from "./Startup.ts"
import * as Table from "./Table.ts"
import * as Targets from "./Targets.ts"

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const options = {
  scenario: { type: "string" },
  peer: { type: "string" },
  events: { type: "string" },
  rounds: { type: "string", default: "5" },
  quick: { type: "boolean", default: false },
  profile: { type: "string" },
  out: { type: "string" }
} as const

const parse = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

const values = parse()

const count = (flag: string, text: string): number => {
  const value = Number(text)
  return Number.isSafeInteger(value) && value > 0 ? value : fail(`--${flag} is a whole number from 1 up, not ${text}`)
}

/** The names that a flag lists, all of which must be known. */
const listed = (flag: string, known: ReadonlyArray<string>, text: string | undefined) => {
  const names = text?.split(",")
  const strangers = names?.filter((name) => !known.includes(name)) ?? []
  if (strangers.length > 0) fail(`No ${flag} is named ${strangers.join(", ")}. There are: ${known.join(", ")}`)
  return names
}

const everything = [...Scenario.all, ...Scenario.growth, Startup].map(({ name }) => name)
const contestants = [...new Set([...Contestants.names("rabbitmq"), ...Contestants.names("memory")])]
const wanted = listed("scenario", everything, values.scenario)
const peers = listed("peer", contestants, values.peer)
const rounds = count("rounds", values.rounds)
const events = values.events === undefined ? undefined : count("events", values.events)

const sized = (scenario: Scenario.Scenario): Scenario.Scenario => ({
  ...scenario,
  events: events ?? (values.quick ? Math.ceil(scenario.events / 10) : scenario.events)
})
const isWanted = ({ name }: { readonly name: string }) => wanted?.includes(name) ?? true
const scenarios = Scenario.all.filter(isWanted).map(sized)
const series = Scenario.growth.filter(isWanted).map((each) => ({
  ...each,
  points: (values.quick ? each.points.slice(0, 2) : each.points).map(({ scenario, x }) => ({
    x,
    // The number of events is what one series is about.
    scenario: each.of === "events" ? scenario : sized(scenario)
  }))
}))

// A part, or a quick run, is no result to keep.
const isComplete = wanted === undefined && peers === undefined && events === undefined && !values.quick
const out = values.out ?? (isComplete ? join(import.meta.dirname, "../results") : undefined)
for (const folder of [out, values.profile]) if (folder !== undefined) mkdirSync(folder, { recursive: true })

const abort = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort(new Error(signal)))

const progress = (what: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${what}`)
}

const print = (text: string): void => {
  progress("")
  console.log(`${text}\n`)
}

const needsBroker = [...scenarios, ...series].some(({ broker }) => broker === "rabbitmq")
const broker = needsBroker
  ? await BenchBroker.start().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)))
  : undefined
try {
  const machine = Machine.look(broker?.version)
  print(Machine.line(machine))
  const running = { url: broker?.url ?? "", rounds, peers, profiles: values.profile, signal: abort.signal, progress }
  const outcomes: Array<Outcome.Outcome> = []
  const growths: Array<Growth.Growth> = []
  for (const scenario of scenarios) {
    const outcome = await Outcome.run(scenario, running)
    outcomes.push(outcome)
    print(Table.scenario(outcome))
    for (const { contestant } of outcome.rows) {
      const file = Outcome.profileOf(values.profile, scenario, contestant)
      if (file !== undefined && existsSync(file)) {
        print(Table.profile(`${scenario.name}, ${contestant}`, Profile.read(file)))
      }
    }
  }
  for (const each of series) {
    const growth = await Growth.run(each, running)
    growths.push(growth)
    print(Table.growth(growth))
  }
  const startup = isWanted(Startup) ? await Startup.measure(rounds) : undefined
  print(Table.targets(Targets.all(outcomes, growths, startup)))
  if (out !== undefined) {
    Results.write(out, { machine, rounds, outcomes, growths, startup })
    print(`Written to ${out}`)
  }
  // A contestant that never gets through would otherwise pass for one that is not there.
  const all = [...outcomes, ...growths.flatMap(({ outcomes }) => outcomes)]
  if (all.some(({ rows }) => rows.some(({ failure }) => failure !== undefined))) process.exitCode = 1
} catch (error) {
  if (!abort.signal.aborted) throw error
  progress("")
  process.exitCode = 130
} finally {
  await broker?.stop()
}
