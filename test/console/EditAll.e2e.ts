import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Envelope, Handler } from "effect-eventbus"
import type { Browser } from "playwright-core"
import { vi } from "vitest"
import { RabbitNode } from "../support/RabbitNode.ts"
import * as bus from "./support/bus.ts"
import * as Chromium from "./support/Chromium.ts"
import * as ConsoleUnderTest from "./support/ConsoleUnderTest.ts"
import * as letters from "./support/letters.ts"
import { pictures } from "./support/pictures.ts"

const isPossible = Chromium.isPossible && RabbitNode.find() !== undefined
const eventOf = (payload: object) => letters.rawEvent("task.submitted", payload)
const place = "runTask (/app/src/tasks/runTask.ts:17:9)"
/** More digits than JavaScript keeps. */
const account = "12345678901234567890"

/** 40 tasks whose time is text under another name, two without any, and others of another failure. */
const kinds: ReadonlyArray<letters.Kind> = [
  {
    count: 42,
    reason: "InvalidPayload",
    message: () => "the schema of task.submitted refuses payload.timeout_seconds",
    payload: (n) => ({
      task_id: `task-${n}`,
      tool: "browser",
      ...(n % 21 === 20 ? {} : { timeout: n % 3 === 2 ? "60" : "30" }),
      account
    }),
    place
  },
  {
    count: 3,
    reason: "ToolTimeout",
    message: () => "The tool did not answer",
    payload: (n) => ({ task_id: `slow-${n}`, tool: "browser", timeout_seconds: 30 }),
    place
  }
]

/** Returns the payload of an event with the account as a number. */
const payloadOf = (envelope: Envelope.Envelope): string =>
  (Envelope.member(envelope, "payload") ?? "").replace(`"${account}"`, account)

describe.skipIf(!isPossible)("The same edit of many dead letters, in a browser on RabbitMQ", () => {
  let node: RabbitNode
  let app: ConsoleUnderTest.ConsoleUnderTest
  let browser: Browser

  beforeAll(async () => {
    node = await RabbitNode.start()
    app = await ConsoleUnderTest.start(node.url)
    browser = await Chromium.launch()
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* Effect.scoped(app.bus.declare(bus.tasks))
        for (const kind of kinds) {
          for (let n = 0; n < kind.count; n++) {
            const letter = letters.make(kind, n, yield* eventOf(kind.payload(n)))
            const envelope = Envelope.withMember(letter.envelope, "payload", payloadOf(letter.envelope))
            yield* app.bus.deadLetters(bus.queue).put({ ...letter, envelope })
          }
        }
      })
    )
  })
  afterAll(async () => {
    await browser?.close()
    await app?.stop()
    await node?.stop()
  })

  const withTab = async (
    use: (tab: Chromium.Tab) => Promise<void>,
    options?: Parameters<typeof Chromium.Tab.open>[2]
  ) => {
    const tab = await Chromium.Tab.open(browser, await app.login(), options)
    try {
      await use(tab)
      assert.deepStrictEqual([...(await tab.breaches()), ...tab.problems], [])
    } finally {
      await tab.close()
    }
  }

  /** Opens the edit of the group, and changes the payload in its field. */
  const change = async (tab: Chromium.Tab, edit: (payload: string) => string) => {
    await tab.deadLetters(bus.queue)
    await tab.group("InvalidPayload").click()
    await tab.button("Edit 42 …").click()
    const field = tab.page.getByRole("textbox", { name: "Payload" })
    await field.waitFor()
    await field.fill(edit(await field.inputValue()))
    await tab.page.getByRole("list", { name: "1 change" }).waitFor()
  }
  const mend = (payload: string) => payload.replace('"timeout": "30"', '"timeout_seconds": 30')

  for (const colorScheme of ["light", "dark"] as const) {
    it(`is accessible and fits 320 pixels in ${colorScheme} colours`, async () => {
      const edit = (payload: string) => payload.replace('"30"', '"10"')
      await withTab(
        async (tab) => {
          await change(tab, edit)
          await tab.page.getByText("These stay as they are").waitFor()
          assert.deepStrictEqual(await tab.axe(), [])
        },
        { colorScheme }
      )
      await withTab(
        async (tab) => {
          await change(tab, edit)
          assert.isFalse(await tab.isTooWide())
        },
        { colorScheme, viewport: { width: 320, height: 640 } }
      )
    })
  }

  it("tells before what it changes and what is refused, and replays the rest after their number was typed", () =>
    withTab(async (tab) => {
      await tab.deadLetters(bus.queue)
      await tab.group("InvalidPayload").click()
      await tab.button("Edit 42 …").click()
      const field = tab.page.getByRole("textbox", { name: "Payload" })
      await field.waitFor()
      // A number keeps its digits on the way into the field, and out of it.
      const before = await field.inputValue()
      await field.fill(mend(before))
      await tab.page.getByRole("list", { name: "2 changes" }).waitFor()
      await tab.page.getByText("The schema accepts all 42").waitFor()
      await tab.page.getByText(/^\/timeout is removed/).waitFor()
      await tab.page.getByText("12 have other values there, such as").waitFor()
      await pictures.take(tab, "edit-all")
      // Without a rename, and with text again, the schema refuses all.
      await field.fill(before.replace('"timeout": "30"', '"timeout_seconds": "30"'))
      await tab.page.getByText("The schema accepts 0 of 42").waitFor()
      assert.isTrue(await tab.button(/^Edit and replay/).isDisabled())
      await field.fill(mend(before))
      await tab.button("Edit and replay 42 …").click()
      const yes = tab.question.getByRole("button", { name: "Edit and replay 42" })
      assert.isTrue(await yes.isDisabled())
      await tab.question.getByRole("textbox", { name: /type their number/ }).fill("42")
      await yes.click()
      await tab.page
        .getByText(/^42 replayed/)
        .first()
        .waitFor()
      const handled: Array<string | undefined> = []
      await Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            yield* app.bus.subscribe(
              Handler.make(bus.tasks, (_, { envelope }) =>
                Effect.sync(() => handled.push(Envelope.member(envelope, "payload")))
              )
            )
            yield* Effect.promise(() =>
              vi.waitFor(() => assert.lengthOf(handled, 42), { timeout: 180_000, interval: 100 })
            )
          })
        )
      )
      for (const payload of handled) {
        assert.match(
          payload ?? "",
          new RegExp(`^{"task_id":"task-\\d+","tool":"browser","account":${account},"timeout_seconds":30}$`)
        )
      }
      await tab.button("Look again").last().click()
      await tab.page.getByText("looked at 3 of 3").waitFor()
    }))
})
