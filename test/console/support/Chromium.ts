import { AxeBuilder } from "@axe-core/playwright"
import { chromium } from "playwright-core"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import * as system from "../../support/chromium.ts"

/** Whether there is a browser. */
export const isPossible = system.isPossible("The console")

export const launch = (): Promise<Browser> => {
  const { args, executablePath } = system
  return chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), args: [...args] })
}

/** Notes every breach of the content security policy, and whatever ran that should not have. */
const watch = `
  globalThis.breaches = []
  addEventListener("securitypolicyviolation", (event) =>
    globalThis.breaches.push(event.violatedDirective + " " + event.blockedURI))
`

/** A tab of the console, and what went wrong in it. */
export class Tab {
  readonly page: Page
  readonly #base: string
  /** Errors of the page and of its console, and requests to elsewhere. */
  readonly problems: Array<string> = []

  private constructor(page: Page, base: string) {
    this.page = page
    this.#base = base
    page.on("pageerror", (error) => this.problems.push(String(error)))
    page.on("console", (message) => {
      if (message.type() === "error") this.problems.push(message.text())
    })
    page.on("request", (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(base)) this.problems.push(request.url())
    })
    page.on("dialog", (dialog) => {
      this.problems.push(`a dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
  }

  static async open(browser: Browser, login: string, options: BrowserContextOptions = {}): Promise<Tab> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 760 }, ...options })
    await context.addInitScript(watch)
    const page = await context.newPage()
    page.setDefaultTimeout(180_000)
    const tab = new Tab(page, new URL(login).origin)
    await page.goto(login)
    await page.getByRole("main").waitFor()
    return tab
  }

  async go(path: string): Promise<void> {
    await this.page.goto(`${this.#base}${path}`)
    await this.page.getByRole("heading", { level: 1 }).waitFor()
  }

  /** Opens the dead letters of a queue, and waits for their rows. */
  async deadLetters(queue: string, query = ""): Promise<void> {
    await this.go(`/queues/${encodeURIComponent(queue)}/dead-letters${query}`)
    await this.page.getByRole("grid").waitFor()
  }

  /** Opens the dead letters of a queue by a new look, which sees so many. */
  async lookAgain(queue: string, count: number): Promise<void> {
    await this.deadLetters(queue)
    const seen = count.toLocaleString("en")
    await this.button("Look again").first().click()
    // A look from before may have seen as many.
    await this.button("Looking …").waitFor({ state: "detached" })
    await this.page.getByText(`looked at ${seen} of ${seen}`).waitFor()
  }

  button(name: string | RegExp) {
    return this.page.getByRole("button", { name })
  }

  /** The group with this reason. */
  group(reason: string) {
    return this.page.locator("section.groups").getByRole("button", { name: reason })
  }

  /** The number of rows of the list, though only those in view are in the page. */
  async rows(): Promise<number> {
    return Number(await this.page.getByRole("grid").getAttribute("aria-rowcount")) - 1
  }

  /** The dialog that asks before something is done. */
  get question() {
    return this.page.getByRole("alertdialog")
  }

  /** Returns the breaches of WCAG 2.2 AA and of good practice. */
  async axe(): Promise<ReadonlyArray<string>> {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    const { violations } = await new AxeBuilder({ page: this.page }).withTags(tags).analyze()
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`))
  }

  /** Returns whether the page is wider than its window. */
  isTooWide(): Promise<boolean> {
    return this.page.evaluate("document.documentElement.scrollWidth > innerWidth")
  }

  /** Returns what the policy refused, and whether a script of someone else ran. */
  breaches(): Promise<ReadonlyArray<string>> {
    return this.page.evaluate("[...globalThis.breaches, ...(globalThis.pwned === undefined ? [] : ['it ran'])]")
  }

  close(): Promise<void> {
    return this.page.context().close()
  }
}
