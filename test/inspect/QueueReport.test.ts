import { AmqpLadder, AmqpOptions, AmqpTopology } from "@effect-eventbus/amqp"
import { QueueReport } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"

const queue = (name: string, messages = 0, consumers = 0) => ({ name, messages, consumers })

describe("QueueReport", () => {
  it("lists each queue once, with its dead letters and the retries that wait for it", () => {
    const report = QueueReport.fromAll([
      queue("wait.billing.1000.quorum.agent_events_dlx", 2),
      queue("wait.billing.60000.quorum.agent_events_dlx", 3),
      queue("wait.billing.eu.60000.quorum.agent_events_dlx", 7),
      queue("dlq.billing", 4),
      queue("billing", 1, 2),
      queue("audit")
    ])
    assert.deepStrictEqual(report, [
      { ...queue("audit"), deadLetters: undefined, retries: 0, isDelay: false },
      { ...queue("billing", 1, 2), deadLetters: 4, retries: 5, isDelay: false },
      {
        ...queue("wait.billing.eu.60000.quorum.agent_events_dlx", 7),
        deadLetters: undefined,
        retries: 0,
        isDelay: false
      }
    ])
  })

  it("leaves out the locks of looks, and no other queue whose name begins like theirs", () => {
    const long = `dlq.${"x".repeat(250)}`
    const locks = ["dlq.a", long].map((name) => queue(AmqpTopology.lookLock(name).name))
    const report = QueueReport.fromAll([queue("a"), queue("dlq.a", 1), queue(long, 2), queue("look.out"), ...locks])
    assert.deepStrictEqual(
      report.map(({ name }) => name),
      ["a", long, "look.out"]
    )
  })

  it("lists dead letters and retries by themselves where their queue does not exist", () => {
    const names = QueueReport.fromAll([queue("dlq.gone", 1), queue("wait.gone.1000.quorum.x", 1)]).map(
      ({ name }) => name
    )
    assert.deepStrictEqual(names, ["dlq.gone", "wait.gone.1000.quorum.x"])
  })

  it("lists the dead letters of dead letters", () => {
    const report = QueueReport.fromAll([queue("a"), queue("dlq.a", 1), queue("dlq.dlq.a", 2)])
    assert.deepStrictEqual(
      report.map(({ deadLetters, name }) => [name, deadLetters]),
      [
        ["a", 1],
        ["dlq.dlq.a", undefined]
      ]
    )
  })

  it.effect("asks for the queues by name and for their dead letters, and leaves out what does not exist", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const infos = [queue("billing", 12), queue("dlq.billing", 3)]
      const report = yield* QueueReport.fromNames(["billing", "audit"], (name) => {
        asked.push(name)
        return Effect.succeed(Option.fromUndefinedOr(infos.find((info) => info.name === name)))
      })
      assert.deepStrictEqual(report, [{ ...queue("billing", 12), deadLetters: 3, retries: undefined, isDelay: false }])
      assert.sameMembers(asked, ["billing", "dlq.billing", "audit", "dlq.audit"])
    })
  )

  it("takes events without a consumer for a backlog, but no dead letters and no delayed events", () => {
    const isBacklog = (...found: Parameters<typeof QueueReport.fromAll>[0]) =>
      QueueReport.fromAll(found).map(QueueReport.isBacklog)
    assert.deepStrictEqual(isBacklog(queue("billing", 1, 0)), [true])
    assert.deepStrictEqual(isBacklog(queue("billing", 0, 0)), [false])
    assert.deepStrictEqual(isBacklog(queue("billing", 1, 1)), [false])
    assert.deepStrictEqual(isBacklog(queue("dlq.billing", 1, 0)), [false])
    const ofDelays = (exchange: string, level: number) => {
      const { arguments: args, name } = AmqpLadder.queueOf(level, AmqpOptions.settings({ exchange }))
      return { ...queue(name, 1), arguments: args }
    }
    for (const level of AmqpLadder.levels) assert.deepStrictEqual(isBacklog(ofDelays("shop", level)), [false])
    // The queues of an application may have such a name.
    const { arguments: args } = ofDelays("parcel", 256)
    assert.deepStrictEqual(isBacklog(queue("parcel_delay.256", 1)), [true])
    assert.deepStrictEqual(isBacklog({ ...queue("parcel_delay.8", 1), arguments: args }), [true])
    assert.deepStrictEqual(
      isBacklog({ ...queue("parcel_delay.256", 1), arguments: { ...args, "x-dead-letter-exchange": "parcel" } }),
      [true]
    )
  })
})
