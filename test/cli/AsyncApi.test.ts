import { assert, describe, it } from "@effect/vitest"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const run = async (...args: ReadonlyArray<string>) => {
  const ended = await Process.run(["asyncapi", ...args])
  assert.strictEqual(ended.code, 0, ended.stderr)
  assert.strictEqual(ended.stderr, "")
  return ended.stdout
}

describe.concurrent("eventbus asyncapi", () => {
  it("prints the document of a module, with the title of its package", async () => {
    const document = JSON.parse(await run(...Fixture.shop))
    assert.strictEqual(document.asyncapi, "3.0.0")
    assert.deepStrictEqual(document.info, { title: "shop", version: "0.0.0" })
    assert.containsAllKeys(document.channels, ["invoice.paid", "queue:shop.billing"])
  })

  it("prints the same on one line", async () => {
    const line = await run(...Fixture.shop, "--json")
    assert.deepStrictEqual(Process.objectsOf(line), [JSON.parse(await run(...Fixture.shop))])
  })

  it("exits with 2 when two subscriptions have the same queue", async () => {
    Process.assertFailed(await Process.run(["asyncapi", ...Fixture.module("misfit")]), 2, 'named "misfit"')
  })
})
