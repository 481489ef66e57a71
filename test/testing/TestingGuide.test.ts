import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, vi } from "@effect/vitest"
import { extract } from "../docs/Example.ts"

const page = "packages/docs/src/content/docs/guides/testing.md"
const ids = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8}\b/g

describe("The guide to testing", () => {
  it("shows the timeline that its example prints", async () => {
    const text = readFileSync(join(import.meta.dirname, "../..", page), "utf8")
    const [, shown = ""] = /^```\n(The events [\s\S]*?)\n```$/m.exec(text) ?? []
    const example = extract().find(({ document }) => document === page)
    assert.isDefined(example)
    const log = vi.spyOn(console, "log").mockReturnValue()
    await import(`${example.module}?once more`)
    const printed = String(log.mock.calls.at(-1)?.[0])
    log.mockRestore()
    assert.strictEqual(shown.replace(ids, "…"), printed.replace(ids, "…"))
  })
})
