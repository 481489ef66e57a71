import { assert, describe, it } from "@effect/vitest"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const commands = [
  ["publish", "a.b"],
  ["tail"],
  ["queue", "info", "billing"],
  ["queue", "purge", "billing"],
  ["topology", "plan", ...Fixture.shop],
  ["topology", "apply", ...Fixture.shop],
  ["topology", "verify", ...Fixture.shop],
  ["health"],
  ["trace", "1f0b5c1e-0000-4000-8000-00000000000b"],
  ["serve", "--port", "0"],
  ["demo", "--broker", "amqp"]
] as const

describe.concurrent("Without a broker", () => {
  for (const command of commands) {
    it(`eventbus ${command.filter((word) => !word.startsWith("/")).join(" ")} ends with 1, and one line that names host and port`, async () => {
      const ended = await Process.run(command)
      Process.assertFailed(ended, 1, "127.0.0.1:1")
      assert.notInclude(ended.stderr, Process.password)
    })
  }

  it("the demo says how to get one", async () => {
    const { stderr } = await Process.run(["demo", "--broker", "amqp"])
    assert.include(stderr, "docker compose up")
  })

  it("eventbus health --json tells programs, too", async () => {
    const { code, stderr, stdout } = await Process.run(["health", "--json"])
    assert.strictEqual(code, 1)
    assert.strictEqual(Process.linesOf(stderr).length, 1)
    const [health] = Process.objectsOf(stdout)
    assert.strictEqual(health?.status, "unhealthy")
    assert.strictEqual(health?.connected, false)
  })

  it("the password of a URL stays a secret", async () => {
    const ended = await Process.run(["health"], { RABBITMQ_URL: `amqp://me:${Process.password}@127.0.0.1:1/` })
    Process.assertFailed(ended, 1, "127.0.0.1:1")
    assert.notInclude(ended.stderr, Process.password)
  })
})
