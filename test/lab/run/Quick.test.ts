import { assert, describe, it } from "@effect/vitest"
import * as BrokerNodes from "../../support/BrokerNodes.ts"
import * as Row from "../experiments/ResultRow.ts"
import { quick } from "./experiments.ts"
import { Report } from "./LabReport.ts"

describe.skipIf(!BrokerNodes.isPossible)("The fault lab, in short", () => {
  it("loses nothing", { timeout: 400_000 }, async () => {
    const report = await Report.run(quick, { seed: 1 })
    assert.strictEqual(report.rows.length, quick.length)
    const bad = report.rows.filter((row) => !Row.holds(row))
    assert.strictEqual(bad.flatMap((row) => [Row.line(row), ...row.log]).join("\n"), "")
  })
})
