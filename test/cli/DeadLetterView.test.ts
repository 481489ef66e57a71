import { assert, describe, it } from "@effect/vitest"
import { DeadLetter } from "effect-eventbus"
import * as Result from "effect/Result"
import * as DeadLetterView from "../../packages/cli/src/DeadLetterView.ts"

const view = { columns: 80, paint: (_: unknown, text: string) => text }

const group = {
  fingerprint: "2000adbef6af",
  reason: "ConnectionToWarehouseLost",
  type: "warehouse.stock.moved.by.robot",
  count: 10_000,
  first: 0,
  last: 0,
  sample: { id: "7", message: "the warehouse did not answer within thirty seconds, and then it did not answer at all" }
}

const letterOf = (key: string | undefined) =>
  Result.getOrThrow(
    DeadLetter.fromJson({
      id: "0198c3a1-0000-4000-8000-000000000001",
      type: group.type,
      routing_key: group.type,
      priority: "normal",
      round: 0,
      key,
      fault: {
        reason: group.reason,
        message: group.sample.message,
        fingerprint: group.fingerprint,
        attempts: 10,
        first_failed_at: "1970-01-01T00:00:00.000Z",
        last_failed_at: "1970-01-01T00:00:00.000Z"
      },
      body: "{}"
    })
  )

/** Lines that are no wider than the terminal. */
const lines = (text: string): ReadonlyArray<string> => {
  const all = text.split("\n")
  for (const line of all) assert.isAtMost(line.length, 80)
  return all
}

describe("A table of dead letters", () => {
  it("names the key of a group of an ordered queue, or counts them, in 80 columns", () => {
    const table = (keys: { readonly key?: string; readonly keys?: number }) =>
      lines(DeadLetterView.groupTable([{ ...group, ...keys }], 0, view))[2]?.trim()
    assert.match(table({}) ?? "", /^the warehouse did not answer/)
    assert.match(table({ keys: 1, key: "sku-42" }) ?? "", /^key sku-42: the warehouse did not answer/)
    assert.match(table({ keys: 3 }) ?? "", /^3 keys: the warehouse did not answer/)
    const silent = { ...group, sample: { id: "7", message: "" }, key: "sku-42" }
    assert.strictEqual(lines(DeadLetterView.groupTable([{ ...silent, keys: 1 }], 0, view))[2]?.trim(), "key sku-42")
    assert.strictEqual(lines(DeadLetterView.groupTable([{ ...silent, keys: 3 }], 0, view))[2]?.trim(), "3 keys")
    assert.match(table({ keys: 1, key: "k".repeat(255) }) ?? "", /^key k{23}…: the warehouse/)
    assert.notInclude(table({ keys: 1, key: "\u001b[31mred\n" }), "\u001b")
  })

  it("names the key of a dead letter before its message, in 80 columns", () => {
    const row = (key: string | undefined) => lines(DeadLetterView.table([letterOf(key)], 0, view))[1] ?? ""
    assert.match(row(undefined), / {2}10 {2}the warehouse d.*…$/)
    assert.match(row("sku-42"), / {2}10 {2}key sku-42: the.*…$/)
  })
})
