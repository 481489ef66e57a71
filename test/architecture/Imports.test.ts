import { readdirSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { assert, describe, it } from "@effect/vitest"

type Package = "eventbus" | "agents" | "amqp" | "http" | "cli" | "bench"

/** The files of every package, in the order in which they may know each other. */
const ranks: Record<Package, ReadonlyArray<string>> = {
  eventbus: [
    "Priority",
    "RoutingKey",
    "Correlation",
    "Traceparent",
    "Metrics",
    "internal/instant",
    "Event",
    "EventType",
    "PublishError",
    "BrokerError",
    "internal/digest",
    "Fault",
    "internal/jsonMember",
    "Envelope",
    "internal/jsonShape",
    "internal/utf8",
    "EventCodec",
    "Settlement",
    "Delivery",
    "Causation",
    "Subscription",
    "FailurePolicy",
    "Handler",
    "Broker",
    "internal/spans",
    "internal/settling",
    "internal/outcomes",
    "internal/dispatch",
    "internal/TopicTrie",
    "internal/MemoryConsumer",
    "internal/MemoryQueue",
    "internal/MemoryDelivery",
    "MemoryBroker",
    "Subscriber",
    "DeadLetter",
    "Selection",
    "DeadLetters",
    "EventBus"
  ],
  agents: ["AgentEvents"],
  amqp: [
    "AmqpOptions",
    "AmqpError",
    "internal/supervise",
    "internal/driver",
    "AmqpMessage",
    "AmqpConnection",
    "AmqpChannel",
    "AmqpTopology",
    "DiscoverArguments",
    "AmqpPlan",
    "AmqpProbe",
    "ConfirmWindow",
    "AmqpPublisher",
    "AmqpAcknowledger",
    "AmqpDelivery",
    "AmqpConsumer",
    "AmqpBrowser",
    "AmqpHealth",
    "AmqpBroker"
  ],
  http: ["HealthRoutes"],
  cli: [
    "ExitCode",
    "Output",
    "Problem",
    "Modules",
    "Exporter",
    "Connection",
    "Parameters",
    "EventLine",
    "TraceTree",
    "Trace",
    "Server",
    "Contract",
    "Management",
    "Survey",
    "Explanation",
    "AsyncApi",
    "Diagnosis",
    "Letter",
    "Progress",
    "demo/Script",
    "demo/Ledger",
    "demo/Screen",
    "demo/Stage",
    "demo/Worker",
    "demo/Watchers",
    "demo/Orchestrator",
    "demo/Demo",
    "commands/Publish",
    "commands/Tail",
    "commands/Queue",
    "commands/Topology",
    "commands/Explain",
    "commands/AsyncApi",
    "commands/dlq/Which",
    "commands/dlq/Look",
    "commands/dlq/Take",
    "commands/dlq/Edit",
    "commands/dlq/Copy",
    "commands/Dlq",
    "commands/Health",
    "commands/Serve",
    "commands/Trace",
    "commands/Doctor",
    "commands/Demo",
    "Cli"
  ],
  bench: [
    "Scenario",
    "Order",
    "Place",
    "Retry",
    "Contestant",
    "contestants/EventBus",
    "contestants/Raw",
    "contestants/RabbitmqClient",
    "contestants/ConnectionManager",
    "contestants/AmqpClient",
    "contestants/rascal.d",
    "contestants/Rascal",
    "contestants/Memory",
    "Contestants",
    "Report",
    "Profiler",
    "Measure",
    "Process",
    "Outcome",
    "Growth",
    "Startup",
    "Goal",
    "Profile",
    "Machine",
    "Table",
    "Chart",
    "Results",
    "Broker"
  ]
}

/** What a package may know of the world: cli → amqp | agents | http → eventbus → effect, and never the barrel of Effect. */
const world: Record<Package, RegExp> = {
  eventbus: /^effect\/[A-Z]\w*$/,
  agents: /^(effect\/|effect-eventbus(\/|$))/,
  amqp: /^(effect\/|effect-eventbus(\/|$)|amqplib$|node:)/,
  http: /^(effect\/|effect-eventbus(\/|$))/,
  cli: /^(effect\/|@effect\/platform-node\/|effect-eventbus(\/|$)|@effect-eventbus\/(agents|amqp|http)(\/|$)|node:)/,
  // Its peers are whatever packages there are; the barrels are not for it either.
  bench: /^(?!effect$|@effect-eventbus\/(agents|cli)(\/|$))/
}

/** What the bench shares with the tests: how to come by a broker. */
const isShared = (owner: Package, target: string) => owner === "bench" && target.startsWith("../../../test/support/")

/** They gather a package instead of standing in it. */
const entryPoints = ["index", "bin", "worker"]

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

const files = (["eventbus", "agents", "amqp", "http", "cli", "bench"] as const).flatMap(filesOf)
const ranked = files.filter(({ module }) => !entryPoints.includes(module))

type File = (typeof files)[number]

const offences = (among: ReadonlyArray<File>, isOffence: (file: File, target: string) => boolean) =>
  among.flatMap((file) =>
    file.imports.filter(({ target }) => isOffence(file, target)).map(({ target }) => `${file.title} imports ${target}`)
  )

describe("Imports", () => {
  it("every file stands in the rank table", () => {
    const strangers = ranked.filter(({ module, owner }) => !ranks[owner].includes(module)).map(({ title }) => title)
    assert.deepStrictEqual(strangers, [])
  })

  it("a file imports only files that stand before it", () => {
    const isNotBefore = ({ module, owner }: File, target: string) => {
      const imported = moduleOf(posix.join(posix.dirname(module), target))
      return (
        target.startsWith(".") &&
        !isShared(owner, target) &&
        !ranks[owner].slice(0, ranks[owner].indexOf(module)).includes(imported)
      )
    }
    assert.deepStrictEqual(offences(ranked, isNotBefore), [])
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
