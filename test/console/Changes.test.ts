import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as changes from "../../packages/console/src/internal/changes.ts"
import * as JsonText from "../../packages/console/src/internal/jsonText.ts"

const parse = (text: string): JsonText.Node => {
  const node = JsonText.parse(text)
  assert.isDefined(node, text)
  return node
}
const between = (before: string, after: string) => changes.between(parse(before), parse(after))
const made = (all: ReadonlyArray<changes.Change>, text: string) =>
  Result.map(changes.maker(all)(parse(text)), (node) => JsonText.print(node))

describe("JSON as it was written", () => {
  for (const text of [
    '{"n":12345678901234567890,"rate":1.0,"big":1E400,"less":-0.10}',
    '{"a":"\\u00e9 \\" \\\\","b":[],"c":{},"d":[1,[true,null],{"x":false}]}',
    '{"":"","a b":{"~/":[{}]}}'
  ]) {
    it(`keeps ${text}`, () => {
      assert.strictEqual(JsonText.print(parse(text)), text)
      const spaced = JsonText.format(text)
      assert.deepStrictEqual(JSON.parse(spaced), JSON.parse(text))
      assert.strictEqual(JsonText.print(parse(spaced.replaceAll("\n", "\r\n\t"))), text)
    })
  }

  it("formats as JSON does, where JSON keeps all digits", () => {
    const json = { a: [1, { b: [] }, []], c: {}, d: { e: { f: "x\n" } }, g: [[1], [2]] }
    assert.strictEqual(JsonText.format(JSON.stringify(json)), JSON.stringify(json, null, 2))
  })

  it("takes the last of two members of a name, as JSON does, and a name that pollutes for any other", () => {
    assert.strictEqual(JsonText.print(parse('{"a":1,"b":2,"a":3}')), '{"a":3,"b":2}')
    assert.strictEqual(JsonText.print(parse('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}')
  })

  it("is none where JSON is none, or nested too deep", () => {
    for (const text of ["", "{", '{"a":1,}', "[1,]", "{} {}", "01", `${"[".repeat(200)}${"]".repeat(200)}`]) {
      assert.isUndefined(JsonText.parse(text), text)
      assert.strictEqual(JsonText.format(text), text)
    }
  })
})

describe("Changes of a payload", () => {
  const cases: ReadonlyArray<
    readonly [what: string, before: string, after: string, changes: ReadonlyArray<changes.Change>]
  > = [
    ["nothing", '{"a":1,"b":[2]}', '{"b":[2],"a":1}', []],
    ["a value", '{"a":"urgent","b":1}', '{"a":5,"b":1}', [{ _tag: "Set", pointer: "/a", value: "5" }]],
    [
      "digits",
      '{"a":1}',
      '{"a":12345678901234567890}',
      [{ _tag: "Set", pointer: "/a", value: "12345678901234567890" }]
    ],
    ["a new member", '{"a":1}', '{"a":1,"b":{"c":[]}}', [{ _tag: "Set", pointer: "/b", value: '{"c":[]}' }]],
    ["a member that went", '{"a":1,"b":2}', '{"b":2}', [{ _tag: "Remove", pointer: "/a" }]],
    ["a name", '{"a":{"b":{"x":1}}}', '{"a":{"c":{"x":1}}}', [{ _tag: "Rename", pointer: "/a/b", name: "c" }]],
    [
      "members that could both have been renamed",
      '{"a":1,"b":1}',
      '{"c":1}',
      [
        { _tag: "Set", pointer: "/c", value: "1" },
        { _tag: "Remove", pointer: "/a" },
        { _tag: "Remove", pointer: "/b" }
      ]
    ],
    [
      "values in a list of the same length",
      '{"a":[1,{"b":2},3]}',
      '{"a":[1,{"b":4},5]}',
      [
        { _tag: "Set", pointer: "/a/1/b", value: "4" },
        { _tag: "Set", pointer: "/a/2", value: "5" }
      ]
    ],
    ["a longer list", '{"a":[1]}', '{"a":[1,2]}', [{ _tag: "Set", pointer: "/a", value: "[1,2]" }]],
    [
      "names with slashes, tildes, and none",
      '{"a/b":1,"~":2,"":3}',
      '{"a/b":4,"~":5,"":6}',
      [
        { _tag: "Set", pointer: "/a~1b", value: "4" },
        { _tag: "Set", pointer: "/~0", value: "5" },
        { _tag: "Set", pointer: "/", value: "6" }
      ]
    ]
  ]
  for (const [what, before, after, expected] of cases) {
    it(`are found and made again: ${what}`, () => {
      const found = between(before, after)
      assert.deepStrictEqual(found, expected)
      assert.deepStrictEqual(JSON.parse(Result.getOrThrow(made(found, before))), JSON.parse(after))
    })
  }

  it("keep the rest of another payload, its order and its digits", () => {
    const all = between('{"to":"x","n":1,"old":true}', '{"to":"y","n":1,"new":true}')
    assert.strictEqual(
      Result.getOrThrow(made(all, '{"old":"z","id":12345678901234567890,"rate":1.0}')),
      '{"new":"z","id":12345678901234567890,"rate":1.0,"to":"y"}'
    )
  })

  it("say why they cannot be made to another payload, and remove nothing from where nothing is", () => {
    const why = (change: changes.Change, text: string) => Result.getOrThrow(Result.flip(made([change], text)))
    assert.strictEqual(why({ _tag: "Set", pointer: "/a/b", value: "1" }, "{}"), "it has no /a")
    assert.strictEqual(why({ _tag: "Set", pointer: "/a/b", value: "1" }, '{"a":7}'), "it has no place for /a/b")
    assert.strictEqual(why({ _tag: "Set", pointer: "/a/2", value: "1" }, '{"a":[0]}'), "it has no place for /a/2")
    assert.strictEqual(why({ _tag: "Set", pointer: "/a", value: "1}" }, "{}"), "the value for /a is not JSON")
    assert.strictEqual(why({ _tag: "Rename", pointer: "/a", name: "b" }, "{}"), "it has no /a")
    assert.strictEqual(why({ _tag: "Rename", pointer: "/a", name: "b" }, '{"a":1,"b":2}'), 'it has both /a and "b"')
    for (const pointer of ["/a", "/a/b", "/c/0", "/c/9", "/c/x"]) {
      assert.strictEqual(Result.getOrThrow(made([{ _tag: "Remove", pointer }], '{"c":[]}')), '{"c":[]}')
    }
    assert.strictEqual(Result.getOrThrow(made([{ _tag: "Remove", pointer: "/c/1" }], '{"c":[1,2,3]}')), '{"c":[1,3]}')
  })
})
