import { AmqpOptions, AmqpTopology } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl")

const numberOf = (stdout: string, name: string) => Number(new RegExp(`^  ${name} +(\\d+)`, "m").exec(stdout)?.[1])

const assertAddsUp = ({ code, stderr, stdout }: Process.Ended) => {
  assert.strictEqual(code, 0, stdout + stderr)
  assert.strictEqual(stderr, "")
  const submitted = numberOf(stdout, "submitted")
  const completed = numberOf(stdout, "completed")
  const deadLetters = numberOf(stdout, "dead letters")
  assert.isAbove(deadLetters, 0)
  assert.strictEqual(submitted, completed + deadLetters)

  const count = (who: RegExp, what: string) =>
    Process.linesOf(stdout).filter((line) => new RegExp(`^ +[\\d.]+s  ${who.source} +${what} `).test(line)).length
  assert.strictEqual(count(/orchestrator/, "submitted"), submitted)
  assert.strictEqual(count(/worker-\d/, "completed"), completed)
  assert.strictEqual(count(/monitor/, "dead letter"), deadLetters)
  // Every failure is retried, but for the last one of each task that a worker gave up.
  const neverAttempted = stdout.match(/never attempted/g)?.length ?? 0
  const failures = count(/worker-\d/, "failed")
  assert.strictEqual(numberOf(stdout, "retries"), failures - (deadLetters - neverAttempted))
  assert.include(stdout, "Everything adds up")
}

describe("Demo", () => {
  it.concurrent("in memory, its sums add up, and it fits a terminal", async () => {
    const ended = await Process.run(["demo"])
    assertAddsUp(ended)
    assert.notInclude(ended.stdout, "\u001b")
    assert.notInclude(ended.stdout, "\r")
    const tooWide = Process.linesOf(ended.stdout).filter((line) => line.length > 80)
    assert.deepStrictEqual(tooWide, [])
  })

  it.concurrent("an interruption ends it with 130, and without a word", async () => {
    const demo = Process.start(["demo"])
    await demo.output("submitted")
    demo.interrupt()
    const { code, stderr } = await demo.ended
    assert.strictEqual(code, 130)
    assert.strictEqual(stderr, "")
  })

  it.concurrent("ends quietly when the reader of its output is gone", async () => {
    const demo = Process.start(["demo"])
    await demo.output("submitted")
    demo.lookAway()
    const { code, stderr } = await demo.ended
    assert.strictEqual(code, 0)
    assert.strictEqual(stderr, "")
  })

  it.skipIf(url === null).concurrent("on RabbitMQ, its sums add up, and again the next time", async () => {
    const env = Process.at(url ?? "")
    try {
      assertAddsUp(await Process.run(["demo", "--broker", "amqp"], env))
      assertAddsUp(await Process.run(["demo", "--broker", "amqp"], env))
    } finally {
      const settings = AmqpOptions.settings({})
      const waits = [200, 400, 800].map((delay) => AmqpTopology.waitQueue("demo.tasks", delay, settings).name)
      await Leftovers.remove(url ?? "", { queues: ["demo.tasks", "dlq.demo.tasks", ...waits] })
    }
  })
})
