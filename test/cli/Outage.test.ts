import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as OwnNode from "../amqp/support/OwnNode.ts"
import * as Process from "./Process.ts"

describe.skipIf(!OwnNode.isPossible)("On a node of its own", () => {
  const node = OwnNode.ownNode()
  const ctl = (...args: ReadonlyArray<string>) => Effect.runPromise(node.ctl(...args))

  it("tail says when it has lost the connection, and when it consumes again", async () => {
    const tail = Process.start(["tail", "--count", "1"], Process.at(node.url))
    await tail.remark("Listening")
    await ctl("close_all_connections", "test")
    await tail.remark("Lost the connection")
    // Before that it says `Consuming … was interrupted`.
    await tail.remark(`" again\n`)
    const published = await Process.run(
      ["publish", "task.started", "--payload", '{"task_id":"t-1"}'],
      Process.at(node.url)
    )
    assert.strictEqual(published.code, 0, published.stderr)
    assert.strictEqual((await tail.ended).code, 0)
  }, 300_000)

  it("publish says at once that the broker is blocked, and succeeds when it no longer is", async () => {
    await ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    const publish = Process.start(["publish", "task.started", "--payload", '{"task_id":"t-1"}'], Process.at(node.url))
    try {
      await publish.remark("The broker takes no events now (blocked: ")
    } finally {
      await ctl("set_vm_memory_high_watermark", "absolute", "4GB")
    }
    assert.strictEqual((await publish.ended).code, 0)
  }, 300_000)
})
