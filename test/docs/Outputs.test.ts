import { spawn } from "node:child_process"
import { once } from "node:events"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { connect } from "amqplib"
import { Effect, Layer, Redacted } from "effect"
import { DeadLetter, EventBus, EventCodec, EventType, Fault, Subscription } from "effect-eventbus"
import * as OwnNode from "../amqp/support/OwnNode.ts"
import * as Process from "../cli/Process.ts"
import * as CompileCache from "../support/CompileCache.ts"
import { eventually } from "../support/eventually.ts"
import { extract } from "./Example.ts"

const root = join(import.meta.dirname, "../..")
const pages = "packages/docs/src/content/docs"
const command = `${pages}/reference/command.md`
const deadLetters = `${pages}/guides/dead-letters.md`

/** The blocks without a language: outputs and drawings. */
const blocksOf = (document: string) =>
  Array.from(
    readFileSync(join(root, document), "utf8").matchAll(/^```(.*)\n([\s\S]*?)^```$/gm),
    ([, language = "", text = ""]) => ({ language, text })
  ).flatMap(({ language, text }) => (language === "" ? [text] : []))

const blockOf = (document: string, beginning: RegExp): string => {
  const found = blocksOf(document).find((text) => beginning.test(text))
  assert.isDefined(found, `${document} has no block ${beginning}`)
  return found
}

const example = (document: string, part: string) => {
  const found = extract().find((each) => each.document === document && each.code.includes(part))
  assert.isDefined(found)
  return found
}

/** The commands whose outputs are shown, and produced below. An output begins with its command. */
const shownCommands = [
  "README.md: npm run demo",
  `${command}: eventbus queue list --module ./subscriptions.ts`,
  `${command}: eventbus trace 1dded866-5884-4109-94cd-e72f319598f6 --queue work`,
  `${deadLetters}: eventbus dlq groups jobs`
]

describe("Outputs of the documentation", () => {
  it("are all produced here", () => {
    const documents = globSync(["README.md", "packages/*/README.md", `${pages}/**/*.md`], { cwd: root })
    const found = documents.flatMap((document) =>
      blocksOf(document).flatMap((text) => {
        const [, command] = /^\$ (.+)/.exec(text) ?? []
        return command === undefined ? [] : [`${document.replaceAll("\\", "/")}: ${command}`]
      })
    )
    assert.sameMembers(found, shownCommands)
  })

  it("of the demo are what it prints", async () => {
    // Times and workers differ from run to run.
    const same = (text: string) =>
      Process.linesOf(text).map((line) =>
        line
          .trim()
          .replace(/^\d+\.\d\ds/, "T")
          .replace(/worker-\d/, "worker")
      )
    const { stdout } = await Process.run(["demo"])
    const [, ...lines] = same(blockOf("README.md", /npm run demo/))
    const shown = lines.filter((line) => line !== "…")
    assert.isAtLeast(shown.length, 5)
    assert.includeMembers(same(stdout), shown)
  })
})

describe.skipIf(!OwnNode.isPossible)("Outputs of the documentation on RabbitMQ", () => {
  const node = OwnNode.ownNode()
  const run = (...args: ReadonlyArray<string>) => Process.run(args, Process.at(node.url))

  it("of queue list are what it prints for the module of the page", async () => {
    const module = ["--module", example(command, "// subscriptions.ts").module]
    const applied = await run("topology", "apply", ...module)
    assert.strictEqual(applied.code, 0, applied.stderr)
    const model = await connect(node.url)
    try {
      const channel = await model.createConfirmChannel()
      const fill = (queue: string, count: number) => {
        for (let n = 0; n < count; n++) channel.sendToQueue(queue, Buffer.from("{}"))
      }
      fill("billing", 12)
      fill("dlq.billing", 3)
      await channel.waitForConfirms()
      await channel.consume("audit", () => {})
      const [, ...shown] = Process.linesOf(blockOf(command, /queue list/))
      assert.deepStrictEqual(Process.linesOf((await run("queue", "list", ...module)).stdout), shown)
    } finally {
      await model.close()
    }
  })

  it("of trace are the tree of such events", async () => {
    const traceId = "1dded866-5884-4109-94cd-e72f319598f6"
    const bus = EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(node.url) })))
    const on = <A, E>(use: (bus: EventBus.EventBus["Service"]) => Effect.Effect<A, E>) =>
      Effect.runPromise(Effect.provide(EventBus.EventBus.use(use), bus))
    await on(({ declare }) => declare(Subscription.make("work", { patterns: ["nothing"] })))
    const trace = Process.start(["trace", traceId, "--queue", "work", "--count", "7"], Process.at(node.url))
    await trace.remark("Following")
    await on(({ deadLetters, publish }) =>
      Effect.gen(function* () {
        const play = (type: string, source: string, parent?: { readonly eventId: string }) =>
          Effect.tap(
            EventType.untyped(type).event({}, { traceId, sourceService: source, parentEventId: parent?.eventId }),
            (event) => publish(event)
          )
        const plan = yield* play("plan.created", "orchestrator")
        const done = yield* play("task.submitted", "planner", plan)
        yield* play("task.started", "worker-1", done)
        yield* play("task.completed", "worker-1", done)
        const failed = yield* play("task.submitted", "planner", plan)
        yield* play("task.started", "worker-1", failed)
        const fault = { reason: "RangeError", message: "there is no such tool", attempts: 4, now: Date.now() }
        const envelope = yield* Effect.fromResult(
          EventCodec.toEnvelope(failed, {
            routingKey: "task.submitted.normal",
            persistent: true,
            traceparent: undefined
          })
        )
        const origin = { queue: "work", exchange: undefined }
        yield* deadLetters("work").put(DeadLetter.fromEnvelope({ ...envelope, origin, fault: Fault.make(fault) }))
      })
    )
    const same = (text: string) =>
      Process.linesOf(text).map((line) =>
        line.replace(/^\d\d:\d\d:\d\d\.\d{3}/, "T".padEnd(12)).replace(/[0-9a-f]{8}$/, "ID")
      )
    const { stderr, stdout } = await trace.ended
    const [, ...shown] = same(blockOf(command, /eventbus trace/))
    assert.deepStrictEqual(same(stdout), shown, stderr)
  })

  it("of dlq groups, with their fingerprints, are those of the example in a clone of that name", async () => {
    const folder = mkdtempSync(join(tmpdir(), "outputs-"))
    const clone = join(folder, "effect-eventbus")
    mkdirSync(clone)
    symlinkSync(join(root, "node_modules"), join(clone, "node_modules"))
    writeFileSync(join(clone, "package.json"), '{ "type": "module" }')
    writeFileSync(join(clone, "jobs.ts"), example(deadLetters, "isMended").code)
    const jobs = spawn(process.execPath, ["jobs.ts"], {
      cwd: clone,
      env: { ...CompileCache.variables, ...Process.at(node.url) },
      stdio: "ignore"
    })
    const ended = once(jobs, "close")
    try {
      const waiting = async () => Process.objectsOf((await run("queue", "info", "jobs", "--json")).stdout)[0]
      const all = Effect.map(Effect.promise(waiting), (info) => info?.["dead_letters"] === 1000)
      await Effect.runPromise(eventually("1000 jobs failed", all, { every: "500 millis", atMost: "4 minutes" }))
      const same = (text: string) => Process.linesOf(text).map((line) => line.replace(/ +\d+[sm] /, " age "))
      const { stdout } = await run("dlq", "groups", "jobs")
      const [, ...shown] = same(blockOf(deadLetters, /dlq groups jobs/))
      assert.deepStrictEqual(same(stdout), shown)

      const page = readFileSync(join(root, deadLetters), "utf8")
      const [, group = "", result = ""] = /dlq replay jobs --group (\w+) +# (.+)/.exec(page) ?? []
      jobs.kill("SIGINT")
      await ended
      assert.strictEqual((await run("dlq", "replay", "jobs", "--group", group)).stdout, `${result}\n`)
    } finally {
      jobs.kill("SIGKILL")
      await ended
      rmSync(folder, { recursive: true })
    }
  }, 300_000)
})
