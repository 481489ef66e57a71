import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Process from "./Process.ts"

/** Runs the command on a Node that says it has this version. */
const on = (version: string) => {
  const code = `Object.defineProperty(process,"versions",{value:{...process.versions,node:"${version}"}})`
  return Process.run(["--version"], { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` })
}

describe("The version of Node", () => {
  it("that is too old is named, with the one that the package asks for", async () => {
    const manifest = readFileSync(new URL("../../packages/cli/package.json", import.meta.url), "utf8")
    const [, least = ""] = /"node": ">=([\d.]+)"/.exec(manifest) ?? []
    for (const version of ["20.20.2", "22.18.9"]) {
      const { code, stderr, stdout } = await on(version)
      assert.strictEqual(stderr, `eventbus needs Node ${least} or later, and this is ${version}\n`)
      assert.deepStrictEqual([code, stdout], [1, ""])
    }
    for (const version of [`${least}.0`, "23.0.0"]) assert.strictEqual((await on(version)).code, 0)
  })
})
