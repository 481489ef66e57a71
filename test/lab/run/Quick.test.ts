import { assert, describe, it } from "@effect/vitest"
import * as BrokerNodes from "../../support/BrokerNodes.ts"
import * as ResultRow from "../experiments/ResultRow.ts"
import { quick } from "./experiments.ts"
import { LabReport } from "./LabReport.ts"

describe.skipIf(!BrokerNodes.isPossible)("The short form of the fault lab", () => {
  it("loses no event", { timeout: 400_000 }, async () => {
    const report = await LabReport.run(quick, { seed: 1 })
    assert.strictEqual(report.rows.length, quick.length)
    const bad = report.rows.filter((row) => !ResultRow.holds(row))
    assert.strictEqual(bad.flatMap((row) => [ResultRow.line(row), ...row.log]).join("\n"), "")
  })
})
