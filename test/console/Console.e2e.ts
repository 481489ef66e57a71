import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { DeadLetter, Handler } from "effect-eventbus"
import type { Browser } from "playwright-core"
import { vi } from "vitest"
import * as TcpServer from "../amqp/support/TcpServer.ts"
import { RabbitNode } from "../support/RabbitNode.ts"
import * as bus from "./support/bus.ts"
import * as Chromium from "./support/Chromium.ts"
import * as ConsoleUnderTest from "./support/ConsoleUnderTest.ts"
import * as hostile from "./support/hostile.ts"
import * as letters from "./support/letters.ts"
import { pictures } from "./support/pictures.ts"

const isPossible = Chromium.isPossible && RabbitNode.find() !== undefined
const eventOf = (payload: object) => letters.rawEvent("task.submitted", payload)
const total = letters.kinds.reduce((sum, { count }) => sum + count, 0)

describe.skipIf(!isPossible)("The console in a browser, on RabbitMQ", () => {
  let node: RabbitNode
  let app: ConsoleUnderTest.ConsoleUnderTest
  let browser: Browser
  const open = async (options?: Parameters<typeof Chromium.Tab.open>[2]) =>
    Chromium.Tab.open(browser, await app.login(), options)
  const deadLetters = async (name = bus.queue) => {
    const info = await Effect.runPromise(app.bus.queueInfo(`dlq.${name}`))
    return info._tag === "Some" ? info.value.messages : -1
  }

  /** Waits until so many dead letters wait: a look holds some of them back for a moment. */
  const waiting = (count: number, name = bus.queue) =>
    vi.waitFor(async () => assert.strictEqual(await deadLetters(name), count), { timeout: 180_000, interval: 100 })

  /** Runs with a tab, in which nothing may go wrong. */
  const withTab = async (
    use: (tab: Chromium.Tab) => Promise<void>,
    options?: Parameters<typeof Chromium.Tab.open>[2],
    expected: ReadonlyArray<RegExp> = []
  ) => {
    const tab = await open(options)
    try {
      await use(tab)
      assert.deepStrictEqual(await tab.breaches(), [])
      assert.deepStrictEqual(
        tab.problems.filter((problem) => !expected.some((pattern) => pattern.test(problem))),
        []
      )
    } finally {
      await tab.close()
    }
  }

  beforeAll(async () => {
    const management = await Effect.runPromise(TcpServer.deadPort)
    node = await RabbitNode.start({
      plugins: ["rabbitmq_management"],
      config: [`management.tcp.port = ${management}`, "management.tcp.ip = 127.0.0.1"]
    })
    app = await ConsoleUnderTest.start(node.url, { queues: ["hostile", "slow"] }, management)
    browser = await Chromium.launch()
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* Effect.scoped(app.bus.declare(bus.tasks))
        yield* letters.bury(app.bus, bus.queue, letters.kinds, eventOf)
      })
    )
  })
  afterAll(async () => {
    await browser?.close()
    await app?.stop()
    await node?.stop()
  })

  it("shows 10,000 dead letters in three groups, from one look, and the last of them", () =>
    withTab(async (tab) => {
      const before = app.looks()
      await tab.go("/")
      await tab.page.getByRole("link", { name: `See why 10,000 of ${bus.queue} failed` }).click()
      await tab.group("ToolTimeout").waitFor()
      assert.strictEqual(await tab.rows(), total)
      await tab.page.getByRole("row").nth(5).waitFor()
      await pictures.take(tab, "groups")
      for (const { count, reason } of letters.kinds) {
        assert.include(await tab.group(reason).innerText(), count.toLocaleString("en"))
      }
      await tab.page.getByRole("grid").focus()
      await tab.page.keyboard.press("End")
      const last = tab.page.locator(`[role=row][aria-rowindex="${total + 1}"]`)
      await last.getByText("InvalidTask").waitFor()
      await tab.page.keyboard.press("Enter")
      await tab.page
        .getByRole("complementary", { name: "Dead letter" })
        .getByText('Missing key at ["payload"]["tool"]')
        .first()
        .waitFor()
      await pictures.take(tab, "dead-letters")
      assert.isBelow(await tab.page.getByRole("row").count(), 100)
      assert.strictEqual(app.looks() - before, 1)
    }))

  it("explains, mends and replays one of them, with a schema that refuses what is wrong", () =>
    withTab(async (tab) => {
      await tab.deadLetters(bus.queue)
      await tab.group("InvalidTask").click()
      await tab.page.locator('[role=row][aria-rowindex="2"]').getByText("InvalidTask").click()
      await tab.button("Edit …").click()
      const field = tab.page.getByRole("textbox", { name: "Payload" })
      await field.waitFor()
      await tab.page.getByText("One problem").waitFor()
      const payload = JSON.parse(await field.inputValue())
      await field.fill(JSON.stringify({ ...payload, tool: "browser" }, null, 2))
      await tab.page.getByText("The schema accepts it").waitFor()
      await pictures.take(tab, "edit")
      await tab.button("Replay with this payload …").click()
      await tab.question.getByRole("button", { name: "Replay it" }).click()
      await tab.page
        .getByText(/^1 replayed/)
        .first()
        .waitFor()
      await waiting(total - 1)
      const handled = await Effect.runPromise(handleOne(app))
      assert.deepStrictEqual(handled, { ...payload, tool: "browser" })
    }))

  it("discards a group after its number was typed, and puts it back", () =>
    withTab(async (tab) => {
      await tab.lookAgain(bus.queue, total - 1)
      await tab.group("InvalidTask").click()
      await tab.button("Discard 599 …").click()
      const yes = tab.question.getByRole("button", { name: "Discard 599" })
      assert.isTrue(await yes.isDisabled())
      await tab.question.getByRole("textbox").fill("599")
      await yes.click()
      await tab.page
        .getByText(/^599 discarded/)
        .first()
        .waitFor()
      await waiting(total - 600)
      await tab.button("Undo: put 599 back").click()
      await tab.page
        .getByText(/^599 put back/)
        .first()
        .waitFor()
      await waiting(total - 1)
    }))

  it("goes on with a replay when the tab is closed", async () => {
    const tab = await open()
    await tab.deadLetters(bus.queue)
    await tab.group("QuotaExceeded").click()
    await tab.button("Replay 3,400 …").click()
    await tab.question.getByRole("textbox").fill("2000")
    await tab.question.getByRole("button", { name: "Replay 3,400" }).click()
    await tab.question.waitFor({ state: "detached" })
    await tab.close()
    await withTab(async (tab) => {
      await tab.go("/jobs")
      await tab.page
        .getByText(/^3,400 replayed/)
        .first()
        .waitFor()
      // There is no consumer, with which they could fail again.
      await tab.page.getByText("None of them had come back").waitFor()
      await pictures.take(tab, "jobs")
      await tab.lookAgain(bus.queue, total - 3401)
      assert.strictEqual(await tab.page.locator("section.groups li").count(), 2)
      await waiting(total - 3401)
    })
  })

  it("shows the kept look while a job runs, waits with another one, and has the job in its drawer", () =>
    withTab(
      async (tab) => {
        const [kind] = letters.kinds
        assert.isDefined(kind)
        await Effect.runPromise(
          Effect.gen(function* () {
            yield* Effect.scoped(app.bus.declare(letters.subscription("slow")))
            yield* letters.bury(app.bus, "slow", [{ ...kind, count: 60 }], eventOf)
          })
        )
        await tab.deadLetters("slow")
        await tab.group("ToolTimeout").click()
        await tab.button("Replay 60 …").first().click()
        await tab.question.getByRole("textbox").fill("10")
        await tab.question.getByRole("button", { name: "Replay 60" }).click()
        await tab.question.waitFor({ state: "detached" })
        await tab.deadLetters("slow")
        assert.strictEqual(await tab.rows(), 60)
        await tab.button("Look again").first().click()
        await tab.page.getByText("The look waits for the job").waitFor()
        assert.strictEqual(await tab.page.getByRole("alert").count(), 0)
        // When the job has ended, the page looks.
        await tab.page.getByText("No dead letters", { exact: true }).waitFor()
        await tab.page.getByRole("link", { name: "Overview" }).first().click()
        await tab.page.getByRole("heading", { level: 1, name: "Overview" }).waitFor()
        await tab.page.keyboard.press("J")
        await tab.page.getByRole("complementary", { name: "Jobs" }).getByText("60 replayed").first().waitFor()
        assert.deepStrictEqual(await tab.axe(), [])
      },
      {},
      [/Failed to load resource/]
    ))

  it("goes on after a replay with what is left, also where the whole group is gone", () =>
    withTab(async (tab) => {
      const [, kind, other] = letters.kinds
      assert.isDefined(kind)
      assert.isDefined(other)
      const few = [
        { ...kind, count: 5 },
        { ...other, count: 2 }
      ]
      await Effect.runPromise(Effect.scoped(app.bus.declare(letters.subscription("slow"))))
      await Effect.runPromise(letters.bury(app.bus, "slow", few, eventOf))
      await tab.go("/queues/slow/dead-letters")
      await tab.button("Look again").first().click()
      await tab.group("QuotaExceeded").click()
      await tab.button("Replay 5 …").first().click()
      await tab.question.getByText("5 are of the group QuotaExceeded").waitFor()
      await tab.question.getByRole("button", { name: "Replay 5" }).click()
      await tab.page
        .getByText(/^5 replayed/)
        .first()
        .waitFor()
      await tab.page.getByText("The groups and the list are from before").waitFor()
      await tab.page.locator(".queue-job").getByRole("button", { name: "Look again" }).click()
      await tab.page.getByText("looked at 2 of 2").waitFor()
      await tab.page.locator(".queue-job").getByText("None of them had failed again at").waitFor()
      assert.strictEqual(await tab.rows(), 2)
    }))

  it("shows the bindings that the queue has on the broker", () =>
    withTab(async (tab) => {
      await tab.go(`/queues/${bus.queue}`)
      await tab.page.getByText("Bindings by the management API").waitFor()
      const bindings = tab.page.getByRole("table", { name: "Bindings" })
      for (const key of ["task.submitted.*", bus.queue]) {
        const row = bindings.getByRole("row").filter({ has: tab.page.getByText(key, { exact: true }) })
        await row.getByText("there", { exact: true }).waitFor()
      }
      assert.strictEqual(await bindings.getByRole("row").count(), 3)
    }))

  it("follows a trace while it happens", () =>
    withTab(async (tab) => {
      const traceId = "1f0b5c1e-0000-4000-8000-00000000000b"
      await tab.go(`/traces/${traceId}?queue=${bus.queue}`)
      await tab.page.getByText("Nothing yet").waitFor()
      await Effect.runPromise(
        Effect.gen(function* () {
          const first = yield* bus.TaskSubmitted.event(
            { task_id: "a", tool: "search", timeout_seconds: 1 },
            { traceId }
          )
          const second = yield* bus.TaskSubmitted.event(
            { task_id: "b", tool: "search", timeout_seconds: 1 },
            { traceId }
          )
          yield* app.bus.publish(first)
          yield* app.bus.publish({ ...second, parentEventId: first.eventId })
        })
      )
      await tab.page.getByText("2 events").waitFor()
      await pictures.take(tab, "trace")
    }))

  it("says so when the broker is away, and comes back with it", () =>
    withTab(
      async (tab) => {
        await tab.go("/")
        const status = tab.page.getByRole("status").first()
        await status.getByText("healthy", { exact: true }).waitFor()
        await node.kill()
        await status.getByText("unhealthy").waitFor()
        await node.restart()
        await status.getByText("healthy", { exact: true }).waitFor()
        await tab.page.getByRole("link", { name: new RegExp(`dead letters of ${bus.queue}`) }).click()
        await tab.page.getByRole("grid").waitFor()
      },
      {},
      [/Failed to load resource/]
    ))

  it("runs nothing of what is in dead letters, addresses and names, and shows all of it as text", () =>
    withTab(
      async (tab) => {
        await Effect.runPromise(
          Effect.gen(function* () {
            yield* Effect.scoped(app.bus.declare(letters.subscription("hostile")))
            yield* Effect.forEach(hostile.texts, (text, n) =>
              app.bus.deadLetters("hostile").put(DeadLetter.fromEnvelope(hostile.envelope(text, n)))
            )
          })
        )
        await tab.deadLetters("hostile")
        assert.strictEqual(await tab.rows(), hostile.texts.length)
        for (const n of hostile.texts.keys()) {
          await tab.page.getByRole("grid").focus()
          await tab.page.keyboard.press("Home")
          for (let i = 0; i < n; i++) await tab.page.keyboard.press("ArrowDown")
          await tab.page.keyboard.press("Enter")
          const panel = tab.page.getByRole("complementary", { name: "Dead letter" })
          await panel.getByRole("region", { name: "Body", exact: true }).first().waitFor()
          await tab.page.keyboard.press("Escape")
        }
        for (const text of hostile.texts.slice(0, 13)) {
          const encoded = encodeURIComponent(text)
          for (const path of [
            `/queues/${encoded}`,
            `/queues/${encoded}/dead-letters?group=${encoded}&reason=${encoded}&q=${encoded}`,
            `/queues/hostile/dead-letters/${encoded}/edit`,
            `/traces/${encoded}?queue=${encoded}`,
            `/tail?pattern=${encoded}`,
            `/${encoded}`
          ]) {
            await tab.go(path)
          }
        }
        const hrefs = await tab.page.evaluate(
          `Array.from(document.querySelectorAll("a"), (a) => a.href).filter((href) => !href.startsWith(location.origin))`
        )
        assert.deepStrictEqual(hrefs, [])
        assert.strictEqual(await tab.page.locator("img, iframe, script:not([src])").count(), 0)
      },
      {},
      [/Failed to load resource/]
    ))

  for (const colorScheme of ["light", "dark"] as const) {
    it(`is accessible and fits 320 pixels in ${colorScheme} colours, on every page`, async () => {
      const paths = [
        "/",
        `/queues/${bus.queue}`,
        `/queues/${bus.queue}/dead-letters`,
        "/jobs",
        "/tail",
        "/topology",
        "/contracts",
        "/doctor"
      ]
      await withTab(
        async (tab) => {
          for (const path of paths) {
            await tab.go(path)
            await tab.page.locator(".skeleton").first().waitFor({ state: "detached" })
            assert.deepStrictEqual(await tab.axe(), [], path)
            if (path === "/") await pictures.take(tab, `overview-${colorScheme}`)
          }
          await tab.deadLetters(bus.queue)
          await tab.group("ToolTimeout").click()
          await tab.button("Replay 6,000 …").click()
          await tab.question.waitFor()
          assert.deepStrictEqual(await tab.axe(), [], "the question")
          await pictures.take(tab, `question-${colorScheme}`)
        },
        { colorScheme }
      )
      await withTab(
        async (tab) => {
          for (const path of paths) {
            await tab.go(path)
            await tab.page.locator(".skeleton").first().waitFor({ state: "detached" })
            assert.isFalse(await tab.isTooWide(), path)
          }
        },
        { colorScheme, viewport: { width: 320, height: 640 } }
      )
    })
  }

  it("is used by the keyboard alone: from the overview to a replayed dead letter", () =>
    withTab(async (tab) => {
      const { keyboard } = tab.page
      await tab.go("/")
      await tab.page.getByRole("link", { name: new RegExp(`dead letters of ${bus.queue}`) }).waitFor()
      await keyboard.press("g")
      await keyboard.press("d")
      await tab.page.getByRole("grid").waitFor()
      await tab.page.getByRole("row").nth(5).waitFor()
      const before = await tab.rows()
      await keyboard.press("j")
      await keyboard.press("Enter")
      await tab.page
        .getByRole("complementary", { name: "Dead letter" })
        .getByRole("button", { name: /^Replay …/ })
        .waitFor()
      await keyboard.press("r")
      await tab.question.waitFor()
      // The focus comes with the next frame.
      await tab.page.waitForFunction("document.activeElement.textContent === 'Leave them'")
      await keyboard.press("Tab")
      await keyboard.press("Enter")
      await tab.question.waitFor({ state: "detached" })
      await tab.page
        .getByText(/^1 replayed/)
        .first()
        .waitFor()
      await waiting(before - 1)
    }))
})

/** Takes one event off the queue, and returns its payload. */
const handleOne = ({ bus: events }: ConsoleUnderTest.ConsoleUnderTest) =>
  Effect.scoped(
    Effect.gen(function* () {
      const handled = yield* Queue.unbounded<object>()
      yield* events.subscribe(Handler.make(bus.tasks, ({ payload }) => Queue.offer(handled, payload)))
      return yield* Queue.take(handled)
    })
  )
