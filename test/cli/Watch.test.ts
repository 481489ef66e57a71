import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Fiber, Ref } from "effect"
import { TestClock } from "effect/testing"
import { Output, OutputClosed, type OutputError } from "../../packages/cli/src/Output.ts"
import * as Watch from "../../packages/cli/src/Watch.ts"

class Lost extends Data.TaggedError("Lost")<{ readonly message: string }> {}

/** An output that keeps what is written. */
const recording = (terminal?: { readonly columns: number; readonly rows: number }) => {
  const written: Array<string> = []
  const noted: Array<string> = []
  const add = (to: Array<string>) => (text: string) => Effect.sync(() => void to.push(text))
  const output = Output.of({
    hasColor: false,
    paint: (_, text) => text,
    columns: terminal?.columns,
    rows: terminal?.rows,
    write: add(written),
    line: (text) => add(written)(`${text}\n`),
    json: (value) => add(written)(`${JSON.stringify(value)}\n`),
    note: add(noted),
    remarkColumns: undefined,
    remark: add(noted),
    problem: add(noted)
  })
  return { output, written, noted }
}

/** Watches what each look shows, for as many looks. */
const watching = (
  { output }: ReturnType<typeof recording>,
  looks: ReadonlyArray<Effect.Effect<void, Lost | OutputError, Output>>,
  json = false
) =>
  Effect.gen(function* () {
    const next = yield* Ref.make(0)
    const show = Effect.flatMap(
      Ref.getAndUpdate(next, (n) => n + 1),
      (n) => looks[n] ?? Effect.never
    )
    const fiber = yield* Effect.forkChild(Effect.provideService(Watch.run({ watch: true, json }, show), Output, output))
    for (const _ of looks) yield* TestClock.adjust("2 seconds")
    return fiber
  })

const line = (text: string) => Output.use(({ line }) => line(text))
const json = (...values: ReadonlyArray<unknown>) =>
  Output.use(({ json }) => Effect.forEach(values, json, { discard: true }))

describe("--watch", () => {
  it.effect("prints again in a pipe only when something has changed", () =>
    Effect.gen(function* () {
      const screen = recording()
      yield* watching(screen, [line("a 1\nb 1"), line("a 1\nb 1"), line("a 1\nb 2")])
      assert.deepStrictEqual(screen.written, ["a 1\nb 1\n", "a 1\nb 2\n"])
    })
  )

  it.effect("prints only the lines of JSON that have changed", () =>
    Effect.gen(function* () {
      const screen = recording()
      yield* watching(screen, [json({ a: 1 }, { b: 1 }), json({ a: 1 }, { b: 1 }), json({ a: 1 }, { b: 2 })], true)
      assert.deepStrictEqual(screen.written, ['{"a":1}\n{"b":1}\n', '{"b":2}\n'])
    })
  )

  it.effect("draws over the previous lines on a terminal, and no more than fit", () =>
    Effect.gen(function* () {
      const screen = recording({ columns: 80, rows: 6 })
      yield* watching(screen, [line("1\n2"), line("1\n2\n3\n4\n5\n6")])
      const [first = "", second = ""] = screen.written
      assert.strictEqual(first.replace(/\d\d:\d\d:\d\d/, "now"), "\u001b[?7l1\n2\nnow, Ctrl-C ends it\n\u001b[?7h")
      // Three lines up, which is the height of the first one.
      assert.isTrue(second.startsWith("\u001b[3A\r\u001b[J\u001b[?7l1\n2\n3\n… 3 more lines\n"), second)
      assert.strictEqual(screen.written.length, 2)
      assert.strictEqual(second.split("\n").length - 1, 5)
    })
  )

  it.effect("fails if the first look does, and goes on if a later one does", () =>
    Effect.gen(function* () {
      const lost = Effect.fail(new Lost({ message: "no connection" }))
      const ended = yield* watching(recording(), [lost])
      assert.strictEqual((yield* Effect.flip(Fiber.join(ended)))._tag, "Lost")

      const screen = recording()
      yield* watching(screen, [line("a 1"), lost, lost, line("a 2")])
      assert.deepStrictEqual(screen.written, ["a 1\n", "a 2\n"])
      assert.deepStrictEqual(screen.noted, ["no connection"])
    })
  )

  it.effect("ends when the output is closed", () =>
    Effect.gen(function* () {
      const closed = { ...recording().output, write: () => Effect.fail(new OutputClosed()) }
      const ended = yield* watching({ ...recording(), output: closed }, [line("a 1")])
      assert.strictEqual((yield* Effect.flip(Fiber.join(ended)))._tag, "OutputClosed")
    })
  )
})
