import { readdirSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { assert, describe, it } from "@effect/vitest"

type Package =
  | "eventbus"
  | "agents"
  | "amqp"
  | "flow"
  | "http"
  | "bodies"
  | "inspect"
  | "sql"
  | "testing"
  | "console"
  | "cli"
  | "examples"
  | "bench"

/**
 * The areas of every package: folders below `src`, "." being `src` itself. Each may import from those that are named
 * for it, and from itself. `internal` folders belong to their area.
 */
const areas: Record<Package, Readonly<Record<string, ReadonlyArray<string>>>> = {
  eventbus: {
    telemetry: [],
    broker: ["telemetry"],
    memory: ["broker", "telemetry"],
    event: ["broker", "telemetry"],
    deadletters: ["event", "broker"],
    publish: ["event", "broker", "telemetry"],
    subscribe: ["event", "broker", "telemetry"],
    request: ["publish", "event", "broker", "telemetry"],
    ".": ["publish", "subscribe", "request", "deadletters", "memory", "event", "broker", "telemetry"]
  },
  agents: { ".": [] },
  amqp: { ".": [] },
  flow: { ".": [] },
  http: { ".": [] },
  bodies: { ".": [] },
  inspect: { ".": [] },
  sql: { ".": [] },
  testing: { contract: [], programs: ["contract"], tracking: [], ".": ["contract", "programs", "tracking"] },
  console: { ".": [] },
  cli: { ".": ["commands"], commands: [".", "demo"], demo: ["."] },
  examples: { ".": [] },
  bench: { ".": ["contestants", "sql"], contestants: ["."], sql: ["."] }
}

/** The modules of the core that a broker stands on. It knows nothing of subscriptions, event types and schemas. */
const port = [
  "Broker",
  "BrokerError",
  "Delivery",
  "Envelope",
  "Fault",
  "IsoTime",
  "Metrics",
  "Priority",
  "PublishError",
  "QueueSpec"
]

/** The packages that a package may import: cli → console → inspect → amqp | bodies, cli → agents | http | sql, all → eventbus → effect; and never the barrel of Effect. */
const world: Record<Package, RegExp> = {
  eventbus: /^effect\/[A-Z]\w*$/,
  agents: /^(effect\/|effect-eventbus(\/|$))/,
  amqp: new RegExp(`^(effect/|effect-eventbus/(${port.join("|")})$|amqplib$|node:)`),
  flow: /^(effect\/|effect-eventbus(\/|$))/,
  http: /^(effect\/|effect-eventbus(\/|$))/,
  bodies: /^(effect\/|effect-eventbus(\/|$)|aws4fetch$|node:)/,
  inspect: /^(effect\/|effect-eventbus(\/|$)|@effect-eventbus\/(amqp|bodies)(\/|$)|node:)/,
  sql: /^(effect\/|effect-eventbus(\/|$)|node:)/,
  testing: /^(effect\/|effect-eventbus(\/|$)|@effect\/vitest$)/,
  console: /^(effect\/|effect-eventbus(\/|$)|@effect-eventbus\/(amqp|inspect)(\/|$)|node:)/,
  cli: /^(effect\/|@effect\/platform-node\/|effect-eventbus(\/|$)|@effect-eventbus\/(agents|amqp|bodies|console|http|inspect|sql)(\/|$)|@effect\/sql-pg\/|node:)/,
  // As an application would, it takes the barrels.
  examples:
    /^(effect(\/|$)|@effect\/platform-node$|effect-eventbus$|@effect-eventbus\/(amqp|http|sql)$|@effect\/sql-pg$|node:)/,
  // Its peers are whatever packages there are; the barrels are not for it either.
  bench: /^(?!effect$|@effect-eventbus\/(agents|cli|console|inspect)(\/|$))/
}

/** The twin in raw amqplib shares how the bus acknowledges, to compare the rest. */
const isTwin = (owner: Package, target: string) =>
  owner === "bench" && target === "../../../amqp/src/internal/AmqpAcknowledger.ts"

/** Whether the bench imports how the tests start a broker, which it shares with them. */
const isShared = (owner: Package, target: string) => owner === "bench" && target.startsWith("../../../test/support/")

const maximumCodeLines = 400

const withoutComments = (source: string) =>
  source.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, "").replace(/^[ \t]*\/\/.*$/gm, "")

const importStatement = /^(?:import|export)\s+(type\s)?(?:[\w$*{},\s]+?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"/gm

const importsOf = (code: string) =>
  Array.from(code.matchAll(importStatement), ([, type, target, dynamic = ""]) => ({
    isValue: type === undefined,
    target: target ?? dynamic
  }))

const moduleOf = (path: string) => path.replaceAll("\\", "/").replace(/\.ts$/, "")

const filesOf = (owner: Package) => {
  const folder = join(import.meta.dirname, "../../packages", owner, "src")
  const paths = readdirSync(folder, { encoding: "utf8", recursive: true }).filter((path) => path.endsWith(".ts"))
  return paths.map((path) => {
    const code = withoutComments(readFileSync(join(folder, path), "utf8"))
    const module = moduleOf(path)
    return { owner, module, title: `packages/${owner}/src/${module}.ts`, code, imports: importsOf(code) }
  })
}

const packages = [
  "eventbus",
  "agents",
  "amqp",
  "flow",
  "http",
  "bodies",
  "inspect",
  "sql",
  "testing",
  "console",
  "cli",
  "examples",
  "bench"
] as const
const files = packages.flatMap(filesOf)

/** The area that a module lies in. */
const areaOf = (module: string) => {
  const [first = ".", ...rest] = module.split("/")
  return rest.length === 0 || first === "internal" ? "." : first
}

type File = (typeof files)[number]

const offences = (among: ReadonlyArray<File>, isOffence: (file: File, target: string) => boolean) =>
  among.flatMap((file) =>
    file.imports.filter(({ target }) => isOffence(file, target)).map(({ target }) => `${file.title} imports ${target}`)
  )

describe("Imports", () => {
  it("every area stands in the table", () => {
    for (const owner of packages) {
      const found = new Set(files.filter((file) => file.owner === owner).map(({ module }) => areaOf(module)))
      assert.sameMembers([...found], Object.keys(areas[owner]), owner)
    }
  })

  it("an area imports only the areas that are named for it", () => {
    const isElsewhere = ({ module, owner }: File, target: string) => {
      if (!target.startsWith(".") || isShared(owner, target)) return false
      const imported = posix.join(posix.dirname(module), target)
      if (imported.startsWith("..")) return !isTwin(owner, target)
      const [from, to] = [areaOf(module), areaOf(moduleOf(imported))]
      return from !== to && !(areas[owner][from] ?? []).includes(to)
    }
    assert.deepStrictEqual(offences(files, isElsewhere), [])
  })

  it("a package knows only the packages below it, and no barrel of Effect", () => {
    const isForeign = ({ owner }: File, target: string) => !target.startsWith(".") && !world[owner].test(target)
    assert.deepStrictEqual(offences(files, isForeign), [])
  })

  it("the core stands on those modules of Effect alone that Effect calls stable", () => {
    const stability = (target: string) => {
      const source = readFileSync(join(import.meta.dirname, "../../node_modules", `${target.replace("/", "/src/")}.ts`))
      return /@stability (\w+)/.exec(`${source}`)?.[1]
    }
    const core = files.filter(({ owner }) => owner === "eventbus")
    const isUnstable = (_: File, target: string) => target.startsWith("effect/") && stability(target) !== "stable"
    assert.deepStrictEqual(offences(core, isUnstable), [])
  })

  it("one file alone imports amqplib as a value, but for the bench, which is about it", () => {
    const isDriver = ({ imports, owner }: File) =>
      owner !== "bench" && imports.some(({ isValue, target }) => isValue && target === "amqplib")
    const drivers = files.filter(isDriver).map(({ title }) => title)
    assert.deepStrictEqual(drivers, ["packages/amqp/src/internal/driver.ts"])
  })

  it(`no file has more than ${maximumCodeLines} lines of code`, () => {
    const tooLong = files.flatMap(({ code, title }) => {
      const lines = code.split("\n").filter((line) => line.trim() !== "").length
      return lines > maximumCodeLines ? [`${title} has ${lines}`] : []
    })
    assert.deepStrictEqual(tooLong, [])
  })
})
