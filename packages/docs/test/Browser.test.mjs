import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { chromium } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { args, executablePath, isPossible } from "../../../test/support/chromium.ts"
import { serve } from "./serve.mjs"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const isReachable = `Array.from(document.querySelectorAll("pre")).every(
  (each) => each.scrollWidth <= each.clientWidth || each.tabIndex === 0
)`

const paths = ["/", "/guides/failure-policies/", "/reference/modules/eventbus/failurepolicy/"]

describe.skipIf(!isPossible("The documentation"))("In a browser", () => {
  let browser
  let server
  beforeAll(async () => {
    server = await serve(join(import.meta.dirname, "../dist"))
    browser = await chromium.launch({ executablePath, args })
  })
  afterAll(async () => {
    await browser?.close()
    server?.close()
  })

  const open = async (path, options, use) => {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    const elsewhere = []
    page.on("request", (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url)) elsewhere.push(request.url())
    })
    await page.goto(`${server.url}${path}`, { waitUntil: "load" })
    try {
      await use(page)
      assert.deepStrictEqual(elsewhere, [])
    } finally {
      await context.close()
    }
  }

  for (const path of paths) {
    for (const colorScheme of ["light", "dark"]) {
      it(`${path} is accessible in ${colorScheme} colours`, () =>
        open(path, { colorScheme }, async (page) => {
          // A script of the site makes what scrolls reachable by the keyboard, a moment after the page is there.
          await page.waitForFunction(isReachable)
          await page.evaluate(axe)
          const { passes, violations } = await page.evaluate("axe.run()")
          assert.isAbove(passes.length, 10)
          assert.deepStrictEqual(
            violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`)),
            []
          )
        }))
    }

    it(`${path} fits a telephone`, () =>
      open(path, { viewport: { width: 390, height: 844 } }, async (page) => {
        const width = await page.evaluate("document.documentElement.scrollWidth")
        assert.isAtMost(width, 390)
      }))
  }

  it("finds a function by the search, without a network", () =>
    open("/tutorial/", {}, async (page) => {
      // The button is disabled until its script is there.
      await page.locator("button[data-open-modal]:enabled").click()
      await page.locator("dialog input").fill("orElse")
      const result = page.locator("dialog .pagefind-ui__result-link", { hasText: "FailurePolicy" }).first()
      await result.click()
      await page.waitForURL(/failurepolicy/)
      assert.include(await page.locator("h1").textContent(), "FailurePolicy")
    }))
})
