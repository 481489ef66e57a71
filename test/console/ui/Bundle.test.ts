import { execFile } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const home = fileURLToPath(new URL("../../../packages/console/", import.meta.url))
/** All that a page loads, compressed, in bytes. */
const budget = 250 * 1024

describe("the console's page", () => {
  let built = ""
  let index = ""
  let assets: ReadonlyArray<{ readonly name: string; readonly content: Buffer }> = []

  beforeAll(async () => {
    built = await mkdtemp(join(tmpdir(), "eventbus-page-"))
    const vite = join(home, "node_modules/vite/bin/vite.js")
    const args = [vite, "build", "ui", "--outDir", built, "--emptyOutDir", "--logLevel", "error"]
    await promisify(execFile)(process.execPath, args, { cwd: home })
    index = await readFile(join(built, "index.html"), "utf8")
    const names = await readdir(join(built, "assets"))
    assets = await Promise.all(
      names.map(async (name) => ({ name, content: await readFile(join(built, "assets", name)) }))
    )
  }, 300_000)

  afterAll(() => rm(built, { recursive: true, force: true }))

  it("loads at most 250 KiB, compressed", () => {
    const size = assets.reduce((sum, { content }) => sum + gzipSync(content).length, gzipSync(index).length)
    // With less than this, something is missing: React, or Effect's client.
    assert.isAbove(size, 150 * 1024)
    assert.isAtMost(size, budget)
  })

  it("begins with a script of a few lines, which asks for a look before the rest is there", () => {
    const [, first = ""] = /<script[^>]*src="\.\/assets\/([^"]*)"/.exec(index) ?? []
    const script = assets.find(({ name }) => name === first)?.content ?? Buffer.alloc(0)
    assert.isAtMost(gzipSync(script).length, 4 * 1024)
    assert.include(script.toString(), "dead-letters")
  })

  it("has nothing inline, and takes every file from beside itself, below any path", () => {
    assert.notMatch(index, /<script(?![^>]*\ssrc=)/)
    assert.notMatch(index, /<style|\sstyle=|\son\w+=|javascript:/)
    const addresses = [...index.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, address = ""]) => address)
    assert.isAtLeast(addresses.length, 3)
    for (const address of addresses) assert.match(address, /^\.\//)
  })

  it("makes no code of text, which its policy would refuse", () => {
    const scripts = assets.filter(({ name }) => name.endsWith(".js")).map(({ content }) => content.toString())
    assert.isAtLeast(scripts.length, 1)
    for (const script of scripts) assert.notMatch(script, /new Function\(|[^\w.]eval\(/)
  })

  it("asks no other host for anything", () => {
    const styles = assets.filter(({ name }) => name.endsWith(".css")).map(({ content }) => content.toString())
    assert.isAtLeast(styles.length, 1)
    for (const style of styles) assert.notMatch(style, /url\(|@import/)
  })
})
