import { randomUUID } from "node:crypto"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { connect } from "amqplib"
import { Effect, Layer, ManagedRuntime, Redacted, Result } from "effect"
import { DeadLetter, EventBus, Handler, Subscription } from "effect-eventbus"
import { afterAll, inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""
const env = Process.at(url)

const dlq = (args: ReadonlyArray<string>, input?: string) => Process.run(["dlq", ...args], env, input)

const runtime = ManagedRuntime.make(EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url) }))))
afterAll(() => runtime.dispose())

/** A queue with its dead letters, which is there as long as the test. */
const withQueue = async (use: (queue: string) => Promise<void>) => {
  const queue = Leftovers.unique("mend")
  const handler = Handler.make(Subscription.make(queue, { patterns: [queue] }), () => Effect.void)
  await runtime.runPromise(EventBus.EventBus.use((bus) => Effect.scoped(bus.subscribe(handler))))
  try {
    await use(queue)
  } finally {
    await Leftovers.remove(url, { queues: [queue, `dlq.${queue}`] })
  }
}

const reasons = ["Timeout", "Timeout", "Timeout", "Quota", "Quota", "Typo"] as const

/** A letter as it is exported: every sixth fails in its own way. */
const letter = (n: number) => {
  const id = randomUUID()
  const reason = reasons[n % reasons.length] ?? ""
  const body = {
    event_id: id,
    event_type: "task.submitted",
    timestamp: "2026-01-01T00:00:00.000Z",
    payload: { task_id: `t-${n}` },
    priority: "normal"
  }
  return {
    id,
    type: "task.submitted",
    routing_key: "task.submitted.normal",
    priority: "normal",
    round: 0,
    queue: "billing",
    exchange: "agent_events",
    fault: {
      reason,
      message: `${reason} happened`,
      stack: `${reason}: happened\n    at work (file:///app/work.ts:1:1)`,
      fingerprint: `${reason.length}`.padEnd(12, "a"),
      attempts: 3,
      first_failed_at: "2026-01-01T00:00:00.000Z",
      last_failed_at: "2026-01-01T00:01:00.000Z"
    },
    body: JSON.stringify(body)
  }
}

/** Makes dead letters, and gives their ids in order. */
const die = async (queue: string, count: number): Promise<ReadonlyArray<string>> => {
  const letters = Array.from({ length: count }, (_, n) => Result.getOrThrow(DeadLetter.fromJson(letter(n))))
  await runtime.runPromise(
    EventBus.EventBus.use((bus) => Effect.forEach(letters, bus.deadLetters(queue).put, { discard: true }))
  )
  return letters.map(({ id }) => id)
}

/** Makes dead letters of an ordered queue, each behind the first one of its key, and gives their ids in order. */
const dieOrdered = async (queue: string, keys: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const made = keys.map((key) => ({ ...letter(0), key }))
  const letters = made.map((one, n) => {
    const before = made.slice(0, n).filter(({ key }) => key === one.key)
    return Result.getOrThrow(DeadLetter.fromJson({ ...one, behind: before[0]?.id, place: before.length }))
  })
  await runtime.runPromise(
    EventBus.EventBus.use((bus) => Effect.forEach(letters, bus.deadLetters(queue).put, { discard: true }))
  )
  return letters.map(({ id }) => id)
}

/** The ids of the dead letters of a queue, in order. */
const waiting = async (queue: string): Promise<ReadonlyArray<string>> => {
  const { letters } = await runtime.runPromise(
    EventBus.EventBus.use((bus) => bus.deadLetters(queue).peek({ limit: 1000 }))
  )
  return letters.map(({ id }) => id)
}

/** Takes all that waits in a queue: the bodies as text. */
const drainTexts = async (queue: string): Promise<ReadonlyArray<string>> => {
  const model = await connect(url)
  try {
    const channel = await model.createChannel()
    const bodies: Array<string> = []
    for (;;) {
      const message = await channel.get(queue, { noAck: true })
      if (message === false) return bodies
      bodies.push(message.content.toString())
    }
  } finally {
    await model.close()
  }
}

/** The events that wait in a queue, which are taken. */
const drain = async (queue: string): Promise<ReadonlyArray<{ event_id: string; payload: unknown }>> =>
  (await drainTexts(queue)).map((text) => JSON.parse(text))

const idsOf = (ended: Process.Ended) => Process.objectsOf(ended.stdout).map(({ id }) => id)
const eventIds = async (queue: string) => (await drain(queue)).map(({ event_id }) => event_id)

describe.skipIf(inject("rabbitUrl") === null)("dlq", () => {
  it("peek shows the oldest or the newest of those meant, and leaves them", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 12)
      assert.deepStrictEqual(idsOf(await dlq(["peek", queue, "--json"])), ids.slice(0, 10))
      const newest = await dlq(["peek", queue, "--json", "--newest", "--count", "2", "--reason", "Timeout"])
      assert.deepStrictEqual(idsOf(newest), ids.slice(7, 9))
      assert.deepStrictEqual(idsOf(await dlq(["peek", queue, "--json", "--newer-than", "1h"])), [])
      const text = await dlq(["peek", queue, "--count", "1", "--text", "T-5"])
      assert.strictEqual(text.code, 0)
      const [header, line] = Process.linesOf(text.stdout)
      assert.match(header ?? "", /^ID +LAST +TYPE +REASON +TRY +MESSAGE$/)
      assert.match(line ?? "", new RegExp(`^${ids[5]?.slice(0, 8)} +\\d+d  task.submitted  Typo +3  Typo happened$`))
      assert.strictEqual(text.stderr, "1 shown, 6 of 12 scanned\n")
      assert.deepStrictEqual(await waiting(queue), ids)
    }))

  it("groups tells what went wrong and how often", () =>
    withQueue(async (queue) => {
      await die(queue, 12)
      const groups = Process.objectsOf((await dlq(["groups", queue, "--json"])).stdout)
      assert.deepStrictEqual(
        groups.map(({ count, reason }) => [count, reason]),
        [
          [6, "Timeout"],
          [4, "Quota"],
          [2, "Typo"]
        ]
      )
      assert.strictEqual(groups[0]?.last_failed_at, "2026-01-01T00:01:00.000Z")
      const text = await dlq(["groups", queue])
      assert.match(text.stdout, /^COUNT +LAST +REASON +TYPE +FINGERPRINT\n +6 +\d+d  Timeout  task.submitted  7a{11}\n/)
      assert.strictEqual(text.stderr, "3 groups, 12 waiting\n")
    }))

  it("no more are held back at once than --hold says, and what was left out is told", () =>
    withQueue(async (queue) => {
      await die(queue, 12)
      assert.strictEqual((await dlq(["groups", queue, "--hold", "6"])).stderr, "3 groups, 6 of 12 scanned\n")
      const exported = await dlq(["export", queue, "--hold", "7"])
      assert.strictEqual(Process.objectsOf(exported.stdout).length, 7)
      assert.strictEqual(exported.stderr, "7 exported, 7 of 12 scanned\n")
      assert.strictEqual(Process.objectsOf((await dlq(["export", queue, "--hold", "20"])).stdout).length, 12)
    }))

  it("show takes the beginning of an id, and tells all there is", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 2)
      const { code, stdout } = await dlq(["show", queue, ids[1]?.slice(0, 10) ?? ""])
      assert.strictEqual(code, 0)
      for (const said of [
        ids[1] ?? "",
        "queue         billing\n",
        "exchange      agent_events\n",
        "Timeout happened",
        '    "task_id": "t-1"',
        "    at work (file:///app/work.ts:1:1)"
      ]) {
        assert.include(stdout, said)
      }
      Process.assertFailed(await dlq(["show", queue, "nonesuch"]), 1, "No id of the 2 dead letters")
    }))

  it("show wants more of an id with which several begin", () =>
    withQueue(async (queue) => {
      const lines = ["same-1", "same-2"].map((id) => `${JSON.stringify({ ...letter(0), id })}\n`)
      await dlq(["import", queue], lines.join(""))
      Process.assertFailed(await dlq(["show", queue, "same"]), 2, 'Several ids begin with "same"')
      assert.strictEqual((await dlq(["show", queue, "same-2"])).code, 0)
    }))

  it("replay delivers a group again, and its sums add up", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 12)
      const replayed = await dlq(["replay", queue, "--group", "7aaaaaaaaaaa"])
      assert.strictEqual(replayed.code, 0, replayed.stderr)
      assert.strictEqual(replayed.stdout, "6 replayed + 6 not selected = 12 waiting\n")
      assert.include(replayed.stderr, `No process consumes "${queue}" now`)
      assert.sameMembers(
        [...(await eventIds(queue))],
        ids.filter((_, n) => n % 6 < 3)
      )
      const limited = await dlq(["replay", queue, "--limit", "1", "--json"])
      assert.deepStrictEqual(Process.objectsOf(limited.stdout), [
        { queue, waiting: 6, replayed: 1, skipped: 0, failed: 0, left: 5 }
      ])
    }))

  it("groups without a queue tells of all queues of a module", () =>
    withQueue(async (queue) => {
      await die(queue, 12)
      const module = ["groups", ...Fixture.module("named")]
      const named = { ...env, QUEUE: queue }
      const groups = Process.objectsOf((await Process.run(["dlq", ...module, "--json"], named)).stdout)
      assert.deepStrictEqual(
        groups.map(({ count, queue, reason }) => [count, reason, queue]),
        [
          [6, "Timeout", queue],
          [4, "Quota", queue],
          [2, "Typo", queue]
        ]
      )
      const text = await Process.run(["dlq", ...module, "--reason", "Quota"], named)
      assert.match(text.stdout, /^COUNT +LAST +REASON +TYPE +FINGERPRINT +QUEUE\n +4 .*mend/)
      assert.strictEqual(text.stderr, "1 group in 1 queue, 4 dead letters\n")
      Process.assertFailed(await Process.run(["dlq", ...module, queue], named), 2, "not both")
    }))

  it("replay says so where no dead letter has the fingerprint", () =>
    withQueue(async (queue) => {
      await die(queue, 3)
      const { code, stderr } = await dlq(["replay", queue, "--fingerprint", "abcdef"])
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, `No dead letter matches the fingerprint "abcdef": see eventbus dlq groups ${queue}\n`)
    }))

  it("replay takes ids or what they begin with, and ends with 1 for one that is not there", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 3)
      const some = await dlq(["replay", queue, ids[0] ?? "", ids[2]?.slice(0, 12) ?? ""])
      assert.strictEqual(some.stdout, "2 replayed + 1 not selected = 3 waiting\n")
      assert.strictEqual(some.code, 0)
      const missing = await dlq(["replay", queue, ids[0] ?? ""])
      assert.strictEqual(missing.code, 1)
      assert.include(missing.stderr, "1 of the 1 dead letters named")
      assert.deepStrictEqual(await waiting(queue), ids.slice(1, 2))
    }))

  it("an interruption stops a replay between two letters, and the sums still add up", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 60)
      const replay = Process.start(["dlq", "replay", queue, "--rate", "2", "--json"], env)
      await replay.remark("replayed, ")
      replay.interrupt()
      const { code, stdout } = await replay.ended
      assert.strictEqual(code, 130)
      const [sums = {}] = Process.objectsOf(stdout)
      const there = await eventIds(queue)
      assert.deepStrictEqual(sums, {
        queue,
        waiting: 60,
        replayed: there.length,
        skipped: 0,
        failed: 0,
        left: 60 - there.length
      })
      assert.sameMembers([...there, ...(await waiting(queue))], [...ids])
    }))

  it("a replay that is killed loses nothing", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 60)
      const replay = Process.start(["dlq", "replay", queue, "--rate", "2"], env)
      await replay.remark("replayed, ")
      replay.kill()
      assert.strictEqual((await replay.ended).code, null)
      const there = await eventIds(queue)
      assert.isAtLeast(there.length, 1)
      assert.isBelow(there.length, 60)
      const left = await waiting(queue)
      assert.sameMembers([...new Set([...there, ...left])], [...ids])
      assert.isAtMost(there.length + left.length, 60 + 1)
    }))

  it("discard asks, and without a terminal it wants --yes", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 6)
      Process.assertFailed(await dlq(["discard", queue], "y\n"), 2, "--yes")
      assert.deepStrictEqual(await waiting(queue), ids)
      const discarded = await dlq(["discard", queue, "--reason", "Quota", "--yes"])
      assert.strictEqual(discarded.stdout, "2 discarded + 4 not selected = 6 waiting\n")
      assert.strictEqual((await waiting(queue)).length, 4)
      assert.deepStrictEqual(await drain(queue), [])
    }))

  it("--key selects the dead letters of a key of an ordered queue, for each command", () =>
    withQueue(async (queue) => {
      const ids = await dieOrdered(queue, ["k1", "k2", "k1", "k2", "k1"])
      const of = (key: string) => ids.filter((_, n) => n % 2 === (key === "k1" ? 0 : 1))
      const peeked = await dlq(["peek", queue, "--key", "k2", "--json"])
      assert.deepStrictEqual(idsOf(peeked), of("k2"))
      assert.containSubset(Process.objectsOf(peeked.stdout), [{ key: "k2" }, { key: "k2", behind: of("k2")[0] }])
      assert.include((await dlq(["peek", queue, "--key", "k2"])).stdout, "key k2: Timeout happened\n")
      const shown = await dlq(["show", queue, of("k2")[1] ?? ""])
      assert.match(shown.stdout, new RegExp(`^key +k2\nwaits for +${of("k2")[0]}$`, "m"))

      const [group] = Process.objectsOf((await dlq(["groups", queue, "--key", "k1", "--json"])).stdout)
      assert.deepInclude(group, { count: 3, keys: 1, key: "k1" })
      assert.match((await dlq(["groups", queue, "--key", "k1"])).stdout, /^ +key k1: Timeout happened$/m)
      assert.match((await dlq(["groups", queue])).stdout, /^ +2 keys: Timeout happened$/m)
      assert.deepStrictEqual(idsOf(await dlq(["export", queue, "--key", "k2"])), of("k2"))

      const edited = await dlq(["edit", queue, of("k1")[0] ?? "", "--payload", '{"task_id":"mended"}'], "")
      Process.assertFailed(edited, 2, 'its key "k1" is ordered')
      // A copy of the first wakes its consumer, which handles all of them.
      const replayed = await dlq(["replay", queue, "--key", "k1"])
      assert.strictEqual(replayed.stdout, "3 replayed + 2 not selected = 5 waiting\n")
      assert.deepStrictEqual(await eventIds(queue), of("k1").slice(0, 1))
      const discarded = await dlq(["discard", queue, "--key", "k1", "--yes", "--json"])
      assert.containSubset(Process.objectsOf(discarded.stdout), [{ waiting: 5, discarded: 3, skipped: 2 }])
      assert.deepStrictEqual(await waiting(queue), of("k2"))
      assert.strictEqual(
        (await dlq(["replay", queue, "--key", "k3"])).stdout,
        "0 replayed + 2 not selected = 2 waiting\n"
      )
    }))

  it("edit delivers a letter with another payload, which the schema of its type has checked", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 2)
      const id = ids[1]?.slice(0, 12) ?? ""
      Process.assertFailed(await dlq(["edit", queue, id, "--payload", '{"task":1}'], ""), 2, "payload.task_id")
      Process.assertFailed(await dlq(["edit", queue, id, "--payload", "-"], "[]"), 2, "it is not a JSON object")
      Process.assertFailed(await dlq(["edit", queue, id], ""), 2, "Use --payload")
      assert.deepStrictEqual(await waiting(queue), ids)
      const edited = await dlq(["edit", queue, id, "--payload", "-", "--json"], '{"task_id":"mended"}')
      assert.deepStrictEqual(Process.objectsOf(edited.stdout), [{ queue, id: ids[1], replayed: true, checked: true }])
      const [event] = await drain(queue)
      assert.deepInclude(event, { event_id: ids[1] ?? "", payload: { task_id: "mended" } })
      assert.deepStrictEqual(await waiting(queue), ids.slice(0, 1))
    }))

  it("show and edit keep every digit of a number", () =>
    withQueue(async (queue) => {
      const [id = ""] = await die(queue, 1)
      const exported = await dlq(["export", queue])
      await dlq(["discard", queue, "--yes"])
      const number = '{"order_id":9007199254740993}'
      await dlq(
        ["import", queue],
        exported.stdout.replace('{\\"task_id\\":\\"t-0\\"}', JSON.stringify(number).slice(1, -1))
      )
      assert.include((await dlq(["show", queue, id])).stdout, '"order_id": 9007199254740993\n')
      const payload = '{"task_id":"t-0","order_id":9007199254740995,"price":1.10}'
      assert.strictEqual((await dlq(["edit", queue, id, "--payload", payload])).code, 0)
      assert.include((await drainTexts(queue)).join(""), payload)
    }))

  it("edit asks a module what a payload is", () =>
    withQueue(async (queue) => {
      const ids = await die(queue, 1)
      const edit = (...args: ReadonlyArray<string>) =>
        dlq(["edit", queue, ids[0] ?? "", ...Fixture.module("strict"), ...args], "")
      Process.assertFailed(await edit("--payload", '{"task_id":"t-1"}'), 2, "payload.tool")
      assert.strictEqual((await edit("--payload", '{"task_id":"t-1","tool":"search"}')).code, 0)
    }))

  it("what export writes, import reads back: the same letters", () =>
    withQueue(async (queue) => {
      const folder = await mkdtemp(join(tmpdir(), "eventbus-test-"))
      try {
        const file = join(folder, "letters.ndjson")
        await die(queue, 30)
        const exported = await dlq(["export", queue, "--out", file, "--json"])
        assert.deepStrictEqual(Process.objectsOf(exported.stdout), [{ queue, exported: 30, looked: 30, waiting: 30 }])
        await dlq(["discard", queue, "--yes"])
        const imported = await dlq(["import", queue, file])
        assert.strictEqual(imported.stdout, `imported  30 dead letters of ${queue}\n`)
        assert.strictEqual((await dlq(["export", queue])).stdout, await readFile(file, "utf8"))
      } finally {
        await rm(folder, { recursive: true })
      }
    }))

  it("import stops at a line that is no letter, and says which", () =>
    withQueue(async (queue) => {
      const bad = await dlq(["import", queue], `${JSON.stringify(letter(0))}\n{"id":1}\n`)
      Process.assertFailed(bad, 1, "Line 2 is not a dead letter")
      Process.assertFailed(await dlq(["import", queue], "nonsense"), 1, "Line 1 is not a dead letter: it is not JSON")
    }))

  for (const verb of ["peek", "groups", "replay"]) {
    it(`${verb} of a queue that is not there ends with 1`, async () => {
      Process.assertFailed(await dlq([verb, "no-such-queue"]), 1, 'There is no queue "dlq.no-such-queue"')
    })
  }
})

describe.concurrent("dlq, called in a way it cannot be", () => {
  const wrong = [
    [["peek", "billing", "--newest", "--oldest"], "not both"],
    [["peek", "billing", "--older-than", "soon"], '"soon" is not a duration'],
    [["peek", "billing", "--count", "0"], "is not a whole number"],
    [["replay", "billing", "--rate", "fast"], "is not a whole number"],
    [["discard", "billing", "--text", "", "--yes"], "--text needs a value"],
    [["discard", "billing", "--key", "", "--yes"], "--key needs a value"],
    [["show", "billing"], "Missing argument <id>"],
    [["peek"], "Missing argument <queue>"]
  ] as const
  for (const [args, said] of wrong) {
    it(`${args.join(" ")}: ${said}`, async () => {
      Process.assertFailed(await Process.run(["dlq", ...args]), 2, said)
    })
  }
})
