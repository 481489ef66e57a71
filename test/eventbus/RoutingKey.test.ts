import { assert, describe, it, vi } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { Priority, RoutingKey } from "effect-eventbus"
import { TopicTrie } from "../../packages/eventbus/src/memory/internal/TopicTrie.ts"

/** The values whose patterns select the key. */
const select = (patterns: ReadonlyArray<string>, key: string) => {
  const trie = new TopicTrie<string>()
  for (const pattern of patterns) trie.add(pattern, pattern)
  return [...trie.match(key)]
}

const cases: ReadonlyArray<readonly [pattern: string, keys: ReadonlyArray<string>, others: ReadonlyArray<string>]> = [
  ["task.failed", ["task.failed"], ["task", "task.failed.high", "a.task.failed", "Task.failed", "task.faile"]],
  ["*", ["a"], ["a.b", "a."]],
  ["#", ["a", "a.b", "a.b.c", ".", "a..b"], []],
  ["task.*", ["task.failed", "task."], ["task", "task.failed.high", "a.failed"]],
  ["*.failed", ["task.failed", ".failed"], ["failed", "a.task.failed", "task.failed.high"]],
  ["task.#", ["task", "task.failed", "task.failed.high", "task."], ["tasks", "a.task"]],
  ["#.high", ["high", "task.high", "task.failed.high", "high.high"], ["high.low", "task.highest"]],
  ["task.*.critical", ["task.failed.critical"], ["task.critical", "task.a.b.critical", "task.failed.high"]],
  [
    "task.#.critical",
    ["task.critical", "task.a.critical", "task.a.b.critical"],
    ["task", "critical", "task.critical.a"]
  ],
  ["*.#", ["a", "a.b", "a.b.c"], []],
  ["#.*", ["a", "a.b", "a.b.c"], []],
  ["#.#", ["a", "a.b"], []],
  ["*.*", ["a.b", "."], ["a", "a.b.c"]],
  ["#.a.#", ["a", "a.a", "b.a", "a.b", "b.a.b"], ["b", "ab", "b.c"]],
  ["#.a.#.b", ["a.b", "x.a.b", "a.x.y.b", "a.b.b"], ["a", "b", "b.a", "a.b.c"]],
  ["*.a.#.*", ["x.a.y", "x.a.y.z"], ["x.a", "a.y", "a.a"]]
]

describe("RoutingKey", () => {
  it("is the event's type and its priority, unless the publisher says otherwise", () => {
    assert.deepStrictEqual(
      Priority.all.map((priority) => RoutingKey.make("task.failed", priority)),
      ["task.failed.low", "task.failed.normal", "task.failed.high", "task.failed.critical"]
    )
  })

  for (const [pattern, keys, others] of cases) {
    it(`is selected by "${pattern}", or not`, () => {
      for (const key of keys) {
        assert.isTrue(RoutingKey.matches(pattern, key), key)
        assert.deepStrictEqual(select([pattern], key), [pattern], key)
      }
      for (const key of others) {
        assert.isFalse(RoutingKey.matches(pattern, key), key)
        assert.deepStrictEqual(select([pattern], key), [], key)
      }
    })
  }

  describe("check", () => {
    it("lets pass what a broker takes", () => {
      for (const key of ["a", "a.b", "..", "*", "a b", "a".repeat(255), "漢".repeat(85)]) {
        assert.strictEqual(RoutingKey.check(key), key)
      }
    })

    it("throws a RangeError for an empty key", () => {
      assert.throws(() => RoutingKey.check(""), RangeError, "A routing key must not be empty")
    })

    for (const [key, bytes] of [
      ["a".repeat(256), 256],
      ["漢".repeat(86), 258],
      ["😀".repeat(64), 256],
      ["é".repeat(1_000_000), 2_000_000]
    ] as const) {
      it(`throws a RangeError that names the start of a key of ${bytes} bytes`, () => {
        const error = catchError(() => RoutingKey.check(key))
        assert.instanceOf(error, RangeError)
        assert.include(error.message, `this one has ${bytes}: "${key.slice(0, 60)}…"`)
      })
    }
  })

  describe("checkPattern", () => {
    it("lets pass what can select a key", () => {
      for (const pattern of ["a", "*", "#", "a.*.#", "#.#", "a-b.c_d", "a".repeat(255)]) {
        assert.strictEqual(RoutingKey.checkPattern(pattern), pattern)
      }
    })

    for (const pattern of ["task*", "*task", "task.a*b", "##", "**", "*#", "a.#b", "a..b", ".a", "a.", ".", " *"]) {
      it(`throws a RangeError that names the pattern "${pattern}"`, () => {
        const error = catchError(() => RoutingKey.checkPattern(pattern))
        assert.instanceOf(error, RangeError)
        assert.include(error.message, `"${pattern}"`)
      })
    }

    it("throws a RangeError for a pattern that is empty or too long", () => {
      assert.throws(() => RoutingKey.checkPattern(""), RangeError, "A pattern must not be empty")
      assert.throws(() => RoutingKey.checkPattern("a.".repeat(200)), RangeError, "A pattern has at most 255 bytes")
    })
  })
})

const catchError = (f: () => unknown): Error => {
  try {
    f()
  } catch (error) {
    if (error instanceof Error) return error
  }
  return assert.fail("it did not throw")
}

describe("TopicTrie", () => {
  const words = (choice: ReadonlyArray<string>, most: number) =>
    Arbitrary.array(Arbitrary.schema(Schema.Literals(choice)), { minLength: 1, maxLength: most })
  const Pattern = Arbitrary.map(words(["a", "b", "*", "#"], 5), (_) => _.join("."))
  const Key = Arbitrary.map(words(["a", "b", "c", ""], 6), (_) => _.join("."))

  it.prop(
    "selects exactly the patterns that match",
    [Arbitrary.array(Pattern, { maxLength: 20 }), Key],
    ([patterns, key]) => {
      const expected = new Set(patterns.filter((pattern) => RoutingKey.matches(pattern, key)))
      assert.sameMembers(select(patterns, key), [...expected])
    },
    { arbitrary: { runs: 500 } }
  )

  it("finds every value of a pattern, each once", () => {
    const trie = new TopicTrie<string>()
    for (const value of ["first", "second", "first"])
      for (const pattern of ["a.*", "a.#", "#"]) trie.add(pattern, value)
    assert.deepStrictEqual([...trie.match("a.b")], ["first", "second"])
  })

  /** How many nodes a look-up asks for their children. */
  const cost = (patterns: ReadonlyArray<string>, key: string) => {
    const trie = new TopicTrie<string>()
    for (const pattern of patterns) trie.add(pattern, pattern)
    const get = vi.spyOn(Map.prototype, "get")
    trie.match(key)
    const asked = get.mock.calls.length
    get.mockRestore()
    return asked
  }

  it("costs the same however many patterns do not match", () => {
    const some = ["task.*.high", "task.#", "plan.*.*"]
    const many = Array.from({ length: 10_000 }, (_, i) => [`other${i}.*.high`, `task.other${i}.#`, `plan.#.other${i}`])
    assert.isAbove(cost(some, "task.failed.high"), 0)
    assert.strictEqual(cost([...some, ...many.flat()], "task.failed.high"), cost(some, "task.failed.high"))
  })

  it("does not cost a power of the wildcards in a pattern", () => {
    const key = Array.from({ length: 100 }, () => "a").join(".")
    const pattern = `${"#.a.".repeat(20)}b`
    assert.isBelow(cost([pattern], key), 100 * 100 * 20 * 4)
    assert.isFalse(RoutingKey.matches(pattern, key))
  })
})
