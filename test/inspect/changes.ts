import { Schema, SchemaTransformation } from "effect"
import { type EventType, Version } from "effect-eventbus"

export type Options = EventType.Options<EventType.PayloadSchema>

/** The fields that an event has beside those that change. */
type Base = Readonly<Record<string, Schema.ConstraintCodec<unknown, unknown>>>

/** A kind of change of an event, the side to deploy first, and the name of the change. */
export type Change = readonly [
  kind: string,
  old: Options,
  now: Options,
  first: "any" | "consumers" | "producers" | "neither",
  change?: string
]

const {
  Array: List,
  Boolean,
  DateTimeUtc,
  Finite,
  Int,
  Literal,
  Literals,
  NullOr,
  Record,
  String,
  Struct,
  Union
} = Schema
const { optional, optionalKey } = Schema

export const Node: Schema.Codec<Node> = Struct({ name: String, next: NullOr(Schema.suspend(() => Node)) }).annotate({
  identifier: "Node"
})
export interface Node {
  readonly name: string
  readonly next: Node | null
}
const Deep: Schema.Codec<Deep> = Struct({ name: Int, next: NullOr(Schema.suspend(() => Deep)) }).annotate({
  identifier: "Node"
})
interface Deep {
  readonly name: number
  readonly next: Deep | null
}

export const Shape = Union([
  Struct({ kind: Literal("circle"), radius: Finite }),
  Struct({ kind: Literal("square"), side: Finite })
])
const Shapes = Union([...Shape.members, Struct({ kind: Literal("dot") })])

/** A text whose rule no JSON Schema tells. */
const palindrome = String.check(Schema.makeFilter((text) => [...text].toReversed().join("") === text))
const Trimmed = String.pipe(
  Schema.decodeTo(
    String.check(Schema.makeFilter((text) => text.length < 4)),
    SchemaTransformation.transform({ decode: (text) => text, encode: (text) => text })
  )
)

const overlapping = [Struct({ x: Int, y: optionalKey(Int) }), Struct({ y: Int, x: optionalKey(Int) })]

/** A second version, whose field has another name, with or without a step. */
export const renamed = (step: boolean, base: Base = {}): Options => ({
  version: 2,
  payload: Struct({ ...base, b: String }),
  ...(step
    ? { from: { 1: Version.step(Struct({ ...base, a: String }), ({ a, ...rest }) => ({ ...rest, b: a })) } }
    : {})
})

/** Kinds of changes of an event that has these fields beside those that change. */
export const changes = (base: Base): ReadonlyArray<Change> => {
  const struct = <const F extends Base>(fields: F) => Struct({ ...base, ...fields })
  const v1 = (payload: EventType.PayloadSchema): Options => ({ payload })
  const of = (a: Schema.ConstraintCodec<unknown, unknown>) => v1(struct({ a }))
  const field = { a: String }

  const rename = (step: boolean) => renamed(step, base)

  return [
    ["nothing changed", of(Int), of(Int), "any"],
    ["an optional field added", v1(struct(field)), v1(struct({ ...field, b: optional(Int) })), "any"],
    ["an optional field removed", v1(struct({ ...field, b: optionalKey(Int) })), v1(struct(field)), "any"],
    ["a required field added", v1(struct(field)), v1(struct({ ...field, b: Int })), "producers", '"b" became required'],
    ["a required field removed", v1(struct({ ...field, b: Int })), v1(struct(field)), "consumers"],
    ["a required field became optional", of(Int), v1(struct({ a: optionalKey(Int) })), "consumers"],
    [
      "an optional field became required",
      v1(struct({ a: optionalKey(Int) })),
      of(Int),
      "producers",
      '"a" became required'
    ],
    ["a field renamed", v1(struct(field)), v1(struct({ b: String })), "neither", '"b" became required'],
    ["a type changed", of(String), of(Boolean), "neither", '"a" was string and became boolean'],
    ["an integer became any number", of(Int), of(Finite), "consumers"],
    ["a number became an integer", of(Finite), of(Int), "producers", '"a" was number and became integer'],
    ["null allowed", of(String), of(NullOr(String)), "consumers"],
    ["null forbidden", of(NullOr(String)), of(String), "producers", '"a" was null and became string'],
    ["a literal added", of(Literals(["x", "y"])), of(Literals(["x", "y", "z"])), "consumers"],
    ["a literal removed", of(Literals(["x", "y"])), of(Literals(["x"])), "producers", '"a" no longer accepts "y"'],
    ["a literal became any text", of(Literals(["x"])), of(String), "consumers"],
    // Effect counts the units of UTF-16, of which this letter has two.
    [
      "a literal became a shorter text",
      of(Literals(["😀"])),
      of(String.check(Schema.isMaxLength(1))),
      "neither",
      '"a" no longer accepts "😀"'
    ],
    ["a literal became a number up to it", of(Literal(3)), of(Int.check(Schema.isLessThanOrEqualTo(3))), "consumers"],
    [
      "a literal became a number below it",
      of(Literal(3)),
      of(Int.check(Schema.isLessThan(3))),
      "neither",
      '"a" no longer accepts 3'
    ],
    [
      "a literal became a multiple of another number",
      of(Literal(2)),
      of(Int.check(Schema.isMultipleOf(4))),
      "neither",
      '"a" no longer accepts 2'
    ],
    [
      "a maximum became exclusive",
      of(Int.check(Schema.isLessThanOrEqualTo(5))),
      of(Int.check(Schema.isLessThan(5))),
      "producers",
      '"a" got the exclusiveMaximum 5'
    ],
    [
      "a maximum became inclusive",
      of(Int.check(Schema.isLessThan(5))),
      of(Int.check(Schema.isLessThanOrEqualTo(5))),
      "consumers"
    ],
    ["an alternative added", of(Shape), of(Shapes), "consumers"],
    ["an alternative removed", of(Shapes), of(Shape), "producers", '"a" no longer accepts { kind: "dot" }'],
    [
      "alternatives that exclude each other",
      of(Union(overlapping)),
      of(Union(overlapping, { mode: "oneOf" })),
      "producers",
      '"a" may be more than one of its alternatives'
    ],
    [
      "alternatives that no longer exclude each other",
      of(Union(overlapping, { mode: "oneOf" })),
      of(Union(overlapping)),
      "consumers"
    ],
    ["a minimum added", of(Int), of(Int.check(Schema.isGreaterThanOrEqualTo(1))), "producers", '"a" got the minimum 1'],
    ["a maximum raised", of(Int.check(Schema.isLessThan(5))), of(Int.check(Schema.isLessThan(9))), "consumers"],
    ["a length bounded", of(String), of(String.check(Schema.isMaxLength(3))), "producers", '"a" got the maxLength 3'],
    [
      "a pattern changed",
      of(String.check(Schema.isPattern(/^a+$/u))),
      of(String.check(Schema.isPattern(/^b+$/u))),
      "neither",
      '"a" got another pattern'
    ],
    ["a text became a time", of(String), of(DateTimeUtc), "producers"],
    ["a rule in code added", of(String), of(palindrome), "producers"],
    ["a transformation that refuses", of(String), of(Trimmed), "producers"],
    ["the items of a list changed", of(List(String)), of(List(Int)), "neither", '"a.*" was string and became integer'],
    ["one became many", of(String), of(List(String)), "neither"],
    ["a tuple grew", of(Schema.Tuple([Int])), of(Schema.Tuple([Int, Int])), "neither"],
    ["the values of a record changed", of(Record(String, Int)), of(Record(String, Literals(["x"]))), "neither"],
    ["a struct became a record", of(Struct({ x: Int })), of(Record(String, Int)), "consumers"],
    ["a recursive schema stayed", of(Node), of(Node), "any"],
    ["a recursive schema changed under its name", of(Node), of(Deep), "neither"],
    [
      "a field of a field became required",
      of(Struct({ y: Int })),
      of(Struct({ y: Int, x: Int })),
      "producers",
      '"a.x" became required'
    ],
    ["a version with a step", v1(struct(field)), rename(true), "consumers"],
    ["a version without a step", v1(struct(field)), rename(false), "neither", '"b" became required'],
    ["a version raised and nothing else", of(Int), { ...of(Int), version: 2 }, "consumers"],
    [
      "a version raised where newer ones are accepted",
      { ...of(Int), accept: "newer" },
      { ...of(Int), accept: "newer", version: 2 },
      "any"
    ],
    ["a version lowered", { ...of(Int), version: 2 }, of(Int), "producers"],
    [
      "a step whose schema is not the old one",
      v1(struct(field)),
      {
        version: 2,
        payload: struct({ b: Int }),
        from: { 1: Version.step(struct({ c: Int }), ({ c, ...rest }) => ({ ...rest, b: c })) }
      },
      "neither"
    ],
    [
      "a step that throws",
      v1(struct(field)),
      {
        version: 2,
        payload: struct({ b: Int }),
        from: {
          1: Version.step(struct(field), () => {
            throw new Error("no")
          })
        }
      },
      "neither"
    ],
    ["a step removed", rename(true), rename(false), "producers", '"b" became required']
  ]
}
