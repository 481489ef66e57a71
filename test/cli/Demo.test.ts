import { AmqpDelay, AmqpOptions } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl")

const numberOf = (stdout: string, name: string) => Number(new RegExp(`^  ${name} +(\\d+)`, "m").exec(stdout)?.[1])

const assertAddsUp = ({ code, stderr, stdout }: Process.Ended, isChaotic = false) => {
  assert.strictEqual(code, 0, stdout + stderr)
  assert.strictEqual(stderr, "")
  const submitted = numberOf(stdout, "submitted")
  const completed = numberOf(stdout, "completed")
  const deadLetters = numberOf(stdout, "dead letters")
  const mended = numberOf(stdout, "mended")
  assert.isAbove(deadLetters, 0)
  assert.strictEqual(mended, 1)
  assert.strictEqual(submitted, completed + deadLetters)

  const count = (who: RegExp, what: string) =>
    Process.linesOf(stdout).filter((line) => new RegExp(`^ +[\\d.]+s  ${who.source} +${what} `).test(line)).length
  const died = count(/monitor/, "dead letter")
  assert.strictEqual(count(/orchestrator/, "submitted"), submitted)
  assert.strictEqual(count(/worker-\d/, "completed"), completed)
  assert.strictEqual(died, deadLetters + mended)
  assert.strictEqual(count(/operator/, "mended"), mended)
  assert.include(stdout, "Everything adds up")
  if (isChaotic) return assert.isAbove(count(/chaos/, "cut"), 0)
  // Every failure is retried, but for the last one of each task that a worker gave up.
  const neverAttempted = stdout.match(/never attempted/g)?.length ?? 0
  const failures = count(/worker-\d/, "failed")
  assert.strictEqual(numberOf(stdout, "retries"), failures - (died - neverAttempted))
}

const assertFits = ({ stdout }: Process.Ended) => {
  assert.deepStrictEqual(
    Process.linesOf(stdout).filter((line) => line.length > 80),
    []
  )
}

describe("Demo", () => {
  it.concurrent("in memory, its sums add up, and it fits a terminal", async () => {
    const ended = await Process.run(["demo"])
    assertAddsUp(ended)
    assert.notInclude(ended.stdout, "\u001b")
    assert.notInclude(ended.stdout, "\r")
    assertFits(ended)
  })

  it.concurrent("tells the policy that its workers run by", async () => {
    const demo = Process.start(["demo"])
    await demo.output("submitted")
    demo.interrupt()
    const { stdout } = await demo.ended
    const text = stdout.replace(/\n {10,}/g, " ")
    assert.include(text, "RateLimited        retried 3 times, after 200 ms, 400 ms, 800 ms; then dead-lettered")
    assert.match(text, /UnknownTool, a defect +dead-lettered at once/)
  })

  it.concurrent("cuts no connection in memory, where there is none", async () => {
    Process.assertFailed(await Process.run(["demo", "--chaos"]), 2, "use --broker amqp")
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

  it.skipIf(url === null).concurrent(
    "on RabbitMQ, its sums add up, and again the next time, while its connections are cut",
    async () => {
      const env = Process.at(url ?? "")
      try {
        assertAddsUp(await Process.run(["demo", "--broker", "amqp"], env))
        assertAddsUp(await Process.run(["demo", "--broker", "amqp"], env))
        const chaotic = await Process.run(["demo", "--broker", "amqp", "--chaos"], env)
        assertAddsUp(chaotic, true)
        assertFits(chaotic)
      } finally {
        const settings = AmqpOptions.settings({})
        const waits = [200, 400, 800].map((delay) => AmqpDelay.waitQueue("demo.tasks", delay, settings).name)
        await Leftovers.remove(url ?? "", { queues: ["demo.tasks", "dlq.demo.tasks", ...waits] })
      }
    },
    400_000
  )
})
