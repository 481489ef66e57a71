import { Prune } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"

const queue = (name: string, messages = 0, consumers = 0) => ({ name, messages, consumers })
const wait = (name: string, messages = 0) => queue(`wait.${name}.1000.quorum.agent_events_dlx`, messages)

const found = (...queues: ReadonlyArray<ReturnType<typeof queue>>) =>
  Prune.candidates(queues, new Set(["billing", "dlq.billing"])).map(({ kind, name, needed }) => [name, kind, needed])

describe("Prune", () => {
  it("names what no subscription declares, a queue before its dead letters and its retries", () => {
    const all = [
      wait("old"),
      queue("dlq.old"),
      queue("billing"),
      queue("old"),
      queue("dlq.billing"),
      queue("dlq.dlq.old")
    ]
    assert.deepStrictEqual(found(...all), [
      ["old", "queue", undefined],
      ["dlq.old", "dead letters", undefined],
      ["dlq.dlq.old", "dead letters", undefined],
      [wait("old").name, "retries", undefined]
    ])
  })

  it("keeps what has events, and the queue that they return to", () => {
    const retries = "it has 3 events"
    assert.deepStrictEqual(found(queue("old"), queue("dlq.old"), wait("old", 3)), [
      ["old", "queue", `"${wait("old").name}" has 3 events`],
      ["dlq.old", "dead letters", `"${wait("old").name}" has 3 events`],
      [wait("old").name, "retries", retries]
    ])
    assert.deepStrictEqual(found(queue("old"), queue("dlq.old", 1)), [
      ["old", "queue", '"dlq.old" has 1 event'],
      ["dlq.old", "dead letters", "it has 1 event"]
    ])
  })

  it("keeps all that belongs to a queue with consumers, declared or not", () => {
    assert.deepStrictEqual(found(queue("old", 0, 2), wait("old"), wait("dlq.old")), [
      ["old", "queue", '"old" has 2 consumers'],
      [wait("old").name, "retries", '"old" has 2 consumers'],
      [wait("dlq.old").name, "retries", '"old" has 2 consumers']
    ])
    assert.deepStrictEqual(found(queue("billing", 0, 1), wait("billing")), [
      [wait("billing").name, "retries", '"billing" has 1 consumer']
    ])
  })

  it("takes empty retries of a declared queue without consumers for idle, whatever waits in the queue", () => {
    assert.deepStrictEqual(found(queue("billing", 5), wait("billing")), [[wait("billing").name, "retries", undefined]])
  })

  it("belongs to the queue whose whole name is in it", () => {
    assert.deepStrictEqual(
      Prune.candidates([queue("a.b"), wait("a.b")], new Set()).map(({ origin }) => origin),
      ["a.b", "a.b"]
    )
  })
})
