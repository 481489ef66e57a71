import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const commands = [
  [],
  ["publish"],
  ["tail"],
  ["queue"],
  ["queue", "info"],
  ["queue", "purge"],
  ["pause"],
  ["resume"],
  ["topology"],
  ["topology", "plan"],
  ["topology", "apply"],
  ["topology", "verify"],
  ["explain"],
  ["asyncapi"],
  ["contract"],
  ["contract", "record"],
  ["contract", "check"],
  ["dlq"],
  ["dlq", "peek"],
  ["dlq", "groups"],
  ["dlq", "show"],
  ["dlq", "replay"],
  ["dlq", "discard"],
  ["dlq", "edit"],
  ["dlq", "export"],
  ["dlq", "import"],
  ["blobs"],
  ["blobs", "sweep"],
  ["health"],
  ["trace"],
  ["serve"],
  ["console"],
  ["doctor"],
  ["demo"]
] as const

/** Says on stderr how many of amqplib's modules have been loaded when the process ends. */
const countDriverModules = `--import=data:text/javascript,${encodeURIComponent(`
  import { Module } from "node:module"
  process.on("exit", () => process.stderr.write(
    String(Object.keys(Module._cache).filter((file) => file.includes("amqplib")).length)
  ))
`)}`

describe.concurrent("Help", () => {
  for (const command of commands) {
    const name = ["eventbus", ...command].join(" ")
    it(`${name} --help says what it does, in lines that fit a terminal`, async () => {
      const { code, stderr, stdout } = await Process.run([...command, "--help"])
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "")
      assert.include(stdout, "DESCRIPTION\n")
      assert.include(stdout, `USAGE\n  ${name} `)
      const tooWide = Process.linesOf(stdout).filter((line) => line.length > 80)
      assert.deepStrictEqual(tooWide, [])
    })
  }

  it("names the variables that lead to the broker and to the database, and the exit codes", async () => {
    const { stdout } = await Process.run(["--help"])
    for (const name of ["HOST", "PORT", "USER", "PASSWORD", "VHOST", "URL"]) assert.include(stdout, `RABBITMQ_${name} `)
    assert.include(stdout, "EVENTBUS_DATABASE ")
    assert.include(stdout, "EXIT CODES")
  })

  it("is shown when there are no arguments", async () => {
    const { code, stdout } = await Process.run([])
    assert.strictEqual(code, 0)
    assert.strictEqual(stdout, (await Process.run(["--help"])).stdout)
  })

  it("does not wait for the driver to load", async () => {
    const env = { NODE_OPTIONS: countDriverModules }
    const help = await Process.run(["--help"], env)
    assert.strictEqual(help.stderr, "0")
    const health = await Process.run(["health"], env)
    assert.match(health.stderr, /\n[1-9]\d*$/)
  })

  it("has no escape codes when it is piped", async () => {
    const { stdout } = await Process.run(["--help"], { FORCE_COLOR: "1" })
    assert.notInclude(stdout, "\u001b")
  })

  it("has the version beside it", async () => {
    const { code, stdout } = await Process.run(["--version"])
    assert.strictEqual(code, 0)
    assert.match(stdout, /^eventbus v\d+\.\d+\.\d+\n$/)
  })
})

const misuses: ReadonlyArray<readonly [args: ReadonlyArray<string>, said: string]> = [
  [["publich"], 'Unknown command "publich": did you mean publish?'],
  [["--colour"], "Unknown flag --colour"],
  [["publish"], "Missing argument <type>"],
  [["publish", "a.b", "--prioriti", "low"], "Unknown flag --prioriti: did you mean --priority?"],
  [["publish", "a.b", "--payload", "{"], "--payload: it is not JSON"],
  [["publish", "a.b", "--payload", "[1]"], "--payload: it is not a JSON object"],
  [["publish", "a.b", "--priority", "urgent"], 'must be one of low, normal, high, critical, not "urgent"'],
  [["publish", "a.b", "--trace-id", "42"], '--trace-id: "42" is not a UUID'],
  [["publish", "a.b", "--delay", "50d"], "--delay: a delay is at most 49d, not 50d"],
  [["publish", "a.b", "--count", "0"], '--count: "0" is not a whole number from 1'],
  [["publish", "a.b", "--count"], "--count needs a value"],
  [["serve", "--port", "65536"], '--port: "65536" is not a port from 0 to 65535'],
  [["publish", "a.b", "--routing-key", "k".repeat(256)], "at most 255 bytes"],
  [["publish", "a.b", "c.d"], 'Unexpected argument: "c.d"'],
  [["publish", "a b"], 'not "a b"'],
  [["publish", "task.submitted", "--payload", '{"task":"t-1"}'], "The payload does not match task.submitted"],
  [["tail", "task..#"], 'must not have empty words: "task..#"'],
  [["tail", "task.#x"], 'the word "#x"'],
  [["tail", "--count", "many"], '"many" is not a whole number'],
  [["queue", "info"], "Missing argument <name>"],
  [["queue", "drop", "billing"], 'Unknown command "drop"'],
  [["demo", "--broker", "kafka"], 'must be one of memory, amqp, not "kafka"'],
  [["topology", "plan"], "Missing flag --module"],
  [["topology", "drop", ...Fixture.shop], 'Unknown command "drop"'],
  [["topology", "plan", "--module", "./no-such.ts"], 'There is no module "./no-such.ts"'],
  [["asyncapi", ...Fixture.module("empty")], "exports no subscription, no handler and no event type"],
  [["asyncapi", ...Fixture.module("options")], "queueType"],
  [["explain", ...Fixture.shop], "Missing argument <routing-key>"],
  [["explain", "a.b", "--delay", "50d", ...Fixture.shop], "--delay: a delay is at most 49d, not 50d"]
]

describe.concurrent("Misuse", () => {
  for (const [args, said] of misuses) {
    const shown = args.map((arg) => (arg.startsWith("/") ? basename(arg) : arg))
    const name = shown.map((arg) => (arg.length > 40 ? `${arg.slice(0, 40)}…` : arg)).join(" ")
    it(`"eventbus ${name}" ends with 2, and one line that says why`, async () => {
      Process.assertFailed(await Process.run(args), 2, said)
    })
  }

  it("of a module that cannot be loaded is a failure like any other, and says why", async () => {
    const ended = await Process.run(["asyncapi", ...Fixture.module("broken")])
    Process.assertFailed(ended, 1, "cannot be loaded: it wants a database")
  })

  it("of a module outside of a package says in a line what to do", async () => {
    const folder = await mkdtemp(join(tmpdir(), "eventbus-test-"))
    const file = join(folder, "module.ts")
    const asyncapi = () => Process.run(["asyncapi", "--module", file])
    try {
      await writeFile(file, 'import "no-such-package"')
      Process.assertFailed(await asyncapi(), 1, "install it in the package of the module")
      await writeFile(join(folder, "package.json"), '{ "type": "commonjs" }')
      Process.assertFailed(await asyncapi(), 1, 'set "type": "module" in the package.json')
      await writeFile(file, `export * from ${JSON.stringify(Fixture.shop[1])}`)
      await writeFile(join(folder, "package.json"), "{}")
      const warned = await asyncapi()
      assert.strictEqual(warned.code, 0)
      assert.match(warned.stderr, /^eventbus: warn: .*add "type": "module" to \S+package\.json\.\n$/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it("of a variable ends with 2, and names the variable", async () => {
    Process.assertFailed(await Process.run(["health"], { RABBITMQ_PORT: "amqp" }), 2, "RABBITMQ_PORT")
  })

  it("of a URL does not give the password away", async () => {
    const ended = await Process.run(["health"], { RABBITMQ_URL: `http://me:${Process.password}@127.0.0.1/` })
    Process.assertFailed(ended, 2, "amqps")
    assert.notInclude(ended.stderr, Process.password)
  })
})
