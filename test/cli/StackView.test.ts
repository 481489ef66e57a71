import { assert, describe, it } from "@effect/vitest"
import * as StackView from "../../packages/cli/src/StackView.ts"

const fold = (...lines: ReadonlyArray<string>) => StackView.fold(lines.join("\n"), (text) => `[${text}]`).split("\n")

const effect =
  "    at runLoop (file:///app/node_modules/.pnpm/effect@4.1.0/node_modules/effect/src/internal/effect.ts:1:2)"
const node = "    at process.processTicksAndRejections (node:internal/process/task_queues:103:5)"

describe("A stack", () => {
  it("shows the frames of the application, and counts the others behind them", () => {
    const work = "    at work (file:///app/src/work.ts:7:3)"
    const main = "    at file:///app/src/main.ts:9:1"
    assert.deepStrictEqual(fold("Error: no", effect, work, effect, node, main), [
      "Error: no",
      work,
      main,
      "[    … 3 frames of effect, Node (all: --json)]"
    ])
  })

  it("shows the frames of each cause with its message", () => {
    const query = "    at query (C:\\app\\node_modules\\@effect\\sql-pg\\dist\\PgClient.js:1:1)"
    const pay = "    at pay (C:\\app\\src\\pay.ts:3:1)"
    assert.deepStrictEqual(fold("Error: no", pay, node, "Caused by Error: why", query), [
      "Error: no",
      pay,
      "[    … 1 frame of Node (all: --json)]",
      "Caused by Error: why",
      "[    … 1 frame of @effect/sql-pg (all: --json)]"
    ])
  })

  it("leaves a stack alone that has no other frames", () => {
    assert.deepStrictEqual(fold("RangeError: no\nsuch thing", "    at a (/app/a.js:1:1)"), [
      "RangeError: no",
      "such thing",
      "    at a (/app/a.js:1:1)"
    ])
  })
})
