import { assert, describe, it } from "@effect/vitest"
import {
  exportQuery,
  filterOf,
  flagsOf,
  millisOf,
  selectionOf
} from "../../../packages/console/ui/src/deadletters/filter.ts"
import { type Page, pageOf, pathOf, searchOf } from "../../../packages/console/ui/src/state/route.ts"
import { queueIn } from "../../../packages/console/ui/src/text/address.ts"
import { command } from "../../../packages/console/ui/src/text/command.ts"
import { diff } from "../../../packages/console/ui/src/text/diff.ts"
import { unseenBetweenLines, visible } from "../../../packages/console/ui/src/text/escape.ts"
import { ago, bytes, count, counted, delay, span } from "../../../packages/console/ui/src/text/format.ts"
import { isExact, parseJson } from "../../../packages/console/ui/src/text/json.ts"
import { pathText } from "../../../packages/console/ui/src/text/path.ts"
import { runsOf } from "../../../packages/console/ui/src/text/stack.ts"

describe("text of others in the console's page", () => {
  it("shows what turns text around, what has no shape and what controls, as escapes", () => {
    assert.strictEqual(visible("invoice\u202efdp.exe"), String.raw`invoice\u202efdp.exe`)
    assert.strictEqual(visible("a\u200bb\u0000c\u00ad\ufeff"), String.raw`a\u200bb\u0000c\u00ad\ufeff`)
    assert.strictEqual(visible("\u{e0041}"), String.raw`\u{e0041}`)
    assert.strictEqual(visible("two\nlines"), String.raw`two\u000alines`)
    assert.strictEqual(visible("Grüße, 世界 🎉 <b>&amp;"), "Grüße, 世界 🎉 <b>&amp;")
  })

  it("keeps line breaks and tabs where lines are shown", () => {
    assert.deepStrictEqual("a\n\tb\u202ec".split(unseenBetweenLines), ["a\n\tb", "\u202e", "c"])
  })

  it("quotes every word of a command, so that none of them acts", () => {
    assert.strictEqual(
      command(["dlq", "replay", "billing; rm -rf /"], { group: "$(id)", rate: 50, newest: true, text: undefined }),
      "eventbus dlq replay 'billing; rm -rf /' --group '$(id)' --rate 50 --newest"
    )
    assert.strictEqual(command(["dlq", "show", "it's"]), `eventbus dlq show 'it'\\''s'`)
    assert.strictEqual(command(["tail", "a\u202e'\n"]), String.raw`eventbus tail $'a\u202e\'\u000a'`)
  })

  it("puts each page into its address and finds it there again, whatever its name", () => {
    const pages: ReadonlyArray<Page> = [
      { _tag: "Overview" },
      { _tag: "Doctor" },
      { _tag: "Queue", queue: "a/b?c#d" },
      { _tag: "DeadLetters", queue: "javascript:alert(1)" },
      { _tag: "DeadLetter", queue: "../..", id: "<img src=x>" },
      { _tag: "Edit", queue: "billing", id: "7%2f" },
      { _tag: "Trace", id: "\u202e" }
    ]
    for (const page of pages) assert.deepStrictEqual(pageOf(pathOf(page)), page)
    assert.strictEqual(pageOf("%E0%A4%A")._tag, "Unknown")
    assert.strictEqual(pageOf("constructor")._tag, "Unknown")
    assert.strictEqual(pageOf("queues/a/dead-letters/b/edit/c")._tag, "Unknown")
    assert.strictEqual(searchOf({ q: "a&b=c", group: undefined, type: "" }), "?q=a%26b%3Dc")
  })

  it("reads the filter from the address, for the page, the command and the job", () => {
    const query = new URLSearchParams("group=3f2a&q=card&key=sku-42&older=2h&letter=7")
    const filter = filterOf(query)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(filter)), {
      fingerprint: "3f2a",
      key: "sku-42",
      text: "card",
      olderThan: 7_200_000
    })
    assert.strictEqual(selectionOf(filter).all, undefined)
    assert.deepStrictEqual(selectionOf(filterOf(new URLSearchParams())), { all: true })
    assert.strictEqual(
      command(["dlq", "replay", "billing"], flagsOf(query)),
      "eventbus dlq replay billing --group 3f2a --key sku-42 --older-than 2h --text card"
    )
    assert.strictEqual(exportQuery({ ids: ["a", "b"] }).ids, "a,b")
    assert.strictEqual(exportQuery(selectionOf(filter)).key, "sku-42")
    assert.strictEqual(millisOf("15x"), undefined)
  })

  it("formats numbers, ages and sizes", () => {
    assert.strictEqual(count(10_000), "10,000")
    assert.strictEqual(counted(1, "dead letter"), "1 dead letter")
    assert.deepStrictEqual(
      [span(0), span(250), span(59_999), span(90_000), span(7_200_000)],
      ["0 s", "250 ms", "59 s", "1.5 min", "2 h"]
    )
    assert.strictEqual(delay(1600), "1.6 s")
    assert.strictEqual(ago(1000, 2000), "just now")
    assert.strictEqual(ago(1000, 10_000), "9 s ago")
    assert.strictEqual(ago(1000, 35_999), "30 s ago")
    assert.deepStrictEqual([bytes(464), bytes(2048), bytes(3 * 1024 * 1024)], ["464 B", "2 KiB", "3 MiB"])
  })

  it("keeps the numbers of JSON as they were written", () => {
    const parsed = parseJson('{"id":9007199254740993,"rate":0.1}')
    const { id, rate }: { id?: unknown; rate?: unknown } = Object.assign({}, parsed?.json)
    assert.strictEqual(isExact(id), true)
    assert.strictEqual(String(id), "9007199254740993")
    assert.strictEqual(rate, 0.1)
    assert.strictEqual(parseJson("{"), undefined)
  })

  it("names the place of a problem as code would", () => {
    assert.strictEqual(pathText(["items", 2, "unit price", "cents"]), 'items[2]["unit price"].cents')
  })

  it("tells the frames of the application from those of packages and of Node", () => {
    const runs = runsOf(
      [
        "CardDeclined: no funds",
        "    at charge (/app/src/billing.ts:4:2)",
        "    at run (/app/node_modules/.pnpm/effect@4.1.0/node_modules/effect/dist/Effect.js:1:1)",
        "    at async node:internal/process:1:1",
        "    at main (/app/src/main.ts:9:9)"
      ].join("\n")
    )
    assert.deepStrictEqual(
      runs.map(({ isOwn, lines, origins }) => [isOwn, lines.length, origins]),
      [
        [true, 2, []],
        [false, 2, ["effect", "Node"]],
        [true, 1, []]
      ]
    )
  })

  it("begins a look for an address of dead letters, and for no other", () => {
    assert.strictEqual(queueIn("queues/agent.tasks/dead-letters"), "agent.tasks")
    assert.strictEqual(queueIn("queues/a%2Fb/dead-letters/1/edit"), "a%2Fb")
    for (const path of [
      "",
      "queues/a",
      "queues/a/dead-letters-of-others",
      "queues//dead-letters",
      "x/queues/a/dead-letters"
    ]) {
      assert.isUndefined(queueIn(path), path)
    }
  })

  it("shows a difference line by line, and gives up on huge texts without losing a line", () => {
    assert.deepStrictEqual(
      diff("a\nb\nc", "a\nx\nc").map(({ kind, text }) => `${kind} ${text}`),
      ["same a", "gone b", "new x", "same c"]
    )
    const huge = Array.from({ length: 3000 }, (_, index) => String(index)).join("\n")
    assert.strictEqual(diff(huge, `${huge}\nend`).length, 6001)
  })
})
