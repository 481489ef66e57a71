import { forms } from "./schemaForms.ts"
import { integer, object, type Pair, several, text } from "./schemaPair.ts"

const aboutFive = { type: "integer", minimum: 0, maximum: 10 }
const halves = [
  { type: "integer", minimum: 0 },
  { type: "integer", maximum: 10 }
]

/** Bounds, each with a type, a value, and a value within it. */
const bounds = [
  ["minimum", "integer", 3, 5],
  ["exclusiveMinimum", "number", 3, 5],
  ["minLength", "string", 3, 5],
  ["minItems", "array", 3, 5],
  ["minProperties", "object", 3, 5],
  ["maximum", "integer", 5, 3],
  ["exclusiveMaximum", "number", 5, 3],
  ["maxLength", "string", 5, 3],
  ["maxItems", "array", 5, 3],
  ["maxProperties", "object", 5, 3]
] as const

const ofBounds = bounds.flatMap(([keyword, type, limit, within]): ReadonlyArray<Pair> => [
  {
    what: `a ${keyword} within another`,
    writer: { type, [keyword]: within },
    reader: { type, [keyword]: limit },
    reasons: []
  },
  {
    what: `a ${keyword} that became closer`,
    writer: { type, [keyword]: limit },
    reader: { type, [keyword]: within },
    reasons: [`the payload got the ${keyword} ${within}`]
  },
  {
    what: `a ${keyword} where there was none`,
    writer: { type },
    reader: { type, [keyword]: limit },
    reasons: [`the payload got the ${keyword} ${limit}`]
  }
])

/** Values, and what a reader says of them. */
const ofValues = (
  [
    [3, { minimum: 3 }, true],
    [5, { minimum: 3 }, true],
    [2, { minimum: 3 }, false],
    [3, { maximum: 3 }, true],
    [2, { maximum: 3 }, true],
    [4, { maximum: 3 }, false],
    [3, { exclusiveMinimum: 3 }, false],
    [5, { exclusiveMinimum: 3 }, true],
    [3, { exclusiveMaximum: 3 }, false],
    [2, { exclusiveMaximum: 3 }, true],
    [3, { minimum: 3, exclusiveMinimum: true }, false],
    [2, { multipleOf: 4 }, false],
    [5, { pattern: "^5" }, false],
    ["ab", { maxLength: 3 }, true],
    ["ab", { minLength: 3 }, false],
    // Effect counts the units of UTF-16, but its patterns see the character.
    ["😀", { maxLength: 1 }, false],
    ["😀", { pattern: "^.$" }, true],
    [["a"], { maxItems: 0 }, false]
  ] as const
).map(([value, reader, isAccepted]): Pair => ({
  what: `${JSON.stringify(value)} for ${JSON.stringify(reader)}`,
  writer: { const: value },
  reader,
  reasons: isAccepted ? [] : [`the payload no longer accepts ${JSON.stringify(value)}`]
}))

const others: ReadonlyArray<Pair> = [
  {
    what: "an exclusive bound that became an inclusive one",
    writer: { type: "integer", exclusiveMinimum: 3 },
    reader: { type: "integer", minimum: 3 },
    reasons: []
  },
  {
    what: "an inclusive bound that became an exclusive one",
    writer: { type: "integer", maximum: 3 },
    reader: { type: "integer", exclusiveMaximum: 3 },
    reasons: ["the payload got the exclusiveMaximum 3"]
  },
  {
    what: "a bound that is no number",
    writer: { type: "integer", minimum: "5" },
    reader: { type: "integer", minimum: 3 },
    reasons: ["the payload got the minimum 3"]
  },
  {
    what: "a bound as older drafts write it",
    writer: { type: "integer", minimum: 3 },
    reader: { type: "integer", minimum: 3, exclusiveMinimum: true },
    reasons: ["the payload got another exclusiveMinimum"]
  },
  {
    what: "a keyword that is not understood, and stayed",
    writer: { type: "integer", multipleOf: 2 },
    reader: { type: "integer", multipleOf: 2 },
    reasons: []
  },
  {
    what: "a keyword that is not understood, and changed",
    writer: { type: "integer", multipleOf: 2 },
    reader: { type: "integer", multipleOf: 4 },
    reasons: ["the payload got another multipleOf"]
  },
  {
    what: "a kind of object that is gone",
    writer: object({ kind: { enum: ["dot"] }, size: { enum: [1, 2] }, x: text }),
    reader: { anyOf: [object({ kind: { enum: ["circle"] } }), object({ kind: { enum: ["square"] } })] },
    reasons: ['the payload no longer accepts { kind: "dot" }']
  },
  {
    what: "an optional field of a record whose values do not fit",
    writer: { type: "object", additionalProperties: text },
    reader: object({ x: integer }, []),
    reasons: ['"x" was string and became integer']
  },
  {
    what: "a field beside a record of other values",
    writer: object({ x: text }),
    reader: { type: "object", properties: { x: text }, additionalProperties: integer },
    reasons: []
  },
  {
    what: "a field beside a record, which changed",
    writer: object({ x: integer }),
    reader: { type: "object", properties: { x: text }, additionalProperties: integer },
    reasons: ['"x" was integer and became string']
  },
  {
    what: "a field beside a record, which became required",
    writer: { type: "object", additionalProperties: integer },
    reader: { type: "object", properties: { x: integer }, required: ["x"], additionalProperties: integer },
    reasons: ['"x" became required']
  },
  {
    what: "an object without other fields that became a record",
    writer: object({ x: integer }),
    reader: { type: "object", additionalProperties: integer },
    reasons: []
  },
  {
    what: "an object without other fields that became a record of others",
    writer: object({ x: integer }),
    reader: { type: "object", additionalProperties: text },
    reasons: ['"x" was integer and became string']
  },
  {
    what: "a record whose values changed",
    writer: { type: "object", additionalProperties: integer },
    reader: { type: "object", additionalProperties: text },
    reasons: ['"*" was integer and became string']
  },
  {
    what: "a record within a record, whose values changed",
    writer: { type: "object", additionalProperties: { type: "object", additionalProperties: integer } },
    reader: { type: "object", additionalProperties: { type: "object", additionalProperties: text } },
    reasons: ['"*.*" was integer and became string']
  },
  {
    what: "a field of a field that became required",
    writer: object({ x: object({}) }),
    reader: object({ x: object({ y: text }) }),
    reasons: ['"x.y" became required']
  },
  {
    what: "keywords that refuse nothing",
    writer: text,
    reader: {
      ...text,
      $schema: "https://json-schema.org/draft/2020-12/schema",
      title: "a title",
      default: "",
      examples: ["a"],
      readOnly: true,
      writeOnly: true,
      deprecated: true,
      format: "date-time",
      contentEncoding: "base64",
      contentMediaType: "image/png",
      contentSchema: integer
    },
    reasons: []
  },
  {
    what: "a type that is no longer named",
    writer: { type: "integer", minimum: 3 },
    reader: { minimum: 0 },
    reasons: []
  },
  {
    what: "a type that was not named",
    writer: { minimum: 3 },
    reader: { type: "integer", minimum: 3 },
    reasons: ["the payload was any value and became integer"]
  },
  {
    what: "the fields of an object whose type is not named",
    writer: object({ x: integer }),
    reader: { properties: { x: text } },
    reasons: ['"x" was integer and became string']
  },
  {
    what: "the items of a list whose type is not named",
    writer: { type: "array", items: integer },
    reader: { items: text },
    reasons: ['"*" was integer and became string']
  },
  {
    what: "anything, where objects and lists have rules",
    writer: {},
    reader: { properties: { x: text }, items: text },
    reasons: ['"x" was any value and became string', '"*" was any value and became string']
  },
  {
    what: "a text, where objects and lists have rules",
    writer: text,
    reader: { properties: { x: text }, required: ["x"], items: integer },
    reasons: []
  },
  {
    what: "an alternative without a type",
    writer: { type: "integer", minimum: 3 },
    reader: { anyOf: [{ minimum: 0 }, text] },
    reasons: []
  },
  {
    what: "anything, of alternatives that exclude each other",
    writer: {},
    reader: { oneOf: [text, {}] },
    reasons: several
  },
  { what: "an integer beside texts", writer: integer, reader: { oneOf: [{ type: "number" }, text] }, reasons: [] },
  { what: "a text beside integers", writer: text, reader: { oneOf: [integer, text] }, reasons: [] },
  {
    what: "objects that one of two fields tells apart",
    writer: object({ kind: { const: "a" }, x: text }),
    reader: {
      oneOf: [object({ kind: { const: "a" }, x: text }), object({ kind: { const: "b" }, x: text })]
    },
    reasons: []
  },
  {
    what: "objects that a field tells apart which may be missing",
    writer: object({ kind: { const: "a" } }, []),
    reader: { oneOf: [object({ kind: { const: "a" } }, []), object({ kind: { const: "b" } }, [])] },
    reasons: several
  }
]

export const pairs: ReadonlyArray<Pair> = [
  ...forms,
  ...ofBounds,
  ...ofValues,
  ...others,
  {
    what: "a value that a pattern refuses",
    writer: { const: "b" },
    reader: { ...text, pattern: "^a" },
    reasons: ['the payload no longer accepts "b"']
  },
  { what: "a value that a pattern accepts", writer: { const: "ab" }, reader: { ...text, pattern: "^a" }, reasons: [] },
  {
    what: "an optional field of a record whose values fit",
    writer: { type: "object", additionalProperties: integer },
    reader: object({ x: integer }, []),
    reasons: []
  },
  {
    what: "a list that became a tuple",
    writer: { type: "array", items: { type: "boolean" } },
    reader: { type: "array", prefixItems: [integer] },
    reasons: ['"0" was boolean and became integer']
  },
  {
    what: "a tuple that became a list",
    writer: { type: "array", prefixItems: [integer, text], maxItems: 2 },
    reader: { type: "array", items: integer },
    reasons: ['"1" was string and became integer']
  },
  {
    what: "a tuple that ends before the reader's does",
    writer: { type: "array", prefixItems: [integer], maxItems: 1 },
    reader: { type: "array", prefixItems: [integer, integer] },
    reasons: []
  },
  {
    what: "items that a tuple never has",
    writer: { type: "array", prefixItems: [integer], maxItems: 1 },
    reader: { type: "array", prefixItems: [integer], items: text },
    reasons: []
  },
  { what: "anything, which an alternative accepts", writer: {}, reader: { anyOf: [text, {}] }, reasons: [] },
  {
    what: "an object beside null that got a field",
    writer: object({ x: text }),
    reader: { anyOf: [object({ x: text, y: text }), { type: "null" }] },
    reasons: ['"y" became required']
  },
  {
    what: "an object beside null whose field changed",
    writer: object({ x: text }),
    reader: { anyOf: [object({ x: integer }), { type: "null" }] },
    reasons: ['"x" was string and became integer']
  },
  {
    what: "a value of several that exclude each other",
    writer: { const: "a" },
    reader: { oneOf: [{ const: "a" }, { const: "b" }] },
    reasons: []
  },
  { what: "a value beside another", writer: { const: "r" }, reader: { anyOf: [{ const: "l" }, text] }, reasons: [] },
  {
    what: "objects that an optional field tells apart",
    writer: object({ kind: { const: "a" } }),
    reader: { oneOf: [object({ kind: { const: "a" } }), object({ kind: { const: "b" } }, [])] },
    reasons: []
  },
  {
    what: "objects of which one kind fits both",
    writer: object({ kind: { enum: ["a", "b"] } }),
    reader: { oneOf: [object({ kind: { enum: ["a", "b"] } }), object({ kind: { enum: ["b"] } })] },
    reasons: several
  },
  {
    what: "an object that fits one of several kinds, and itself",
    writer: object({ kind: { const: "a" } }),
    reader: { oneOf: [object({ kind: { const: "a" } }), object({ kind: { enum: ["a", "b"] } })] },
    reasons: several
  },
  {
    what: "an alternative that need not be the only one",
    writer: integer,
    reader: { anyOf: [{ type: "number" }, { oneOf: [integer, { type: "number" }] }] },
    reasons: []
  },
  { what: "alternatives that overlap, and did", writer: { oneOf: halves }, reader: { oneOf: halves }, reasons: [] },
  {
    what: "alternatives that overlap, beside other keywords",
    writer: aboutFive,
    reader: { anyOf: [integer], oneOf: [{ minimum: 0 }, { maximum: 10 }] },
    reasons: several
  },
  {
    what: "alternatives that overlap, within others",
    writer: aboutFive,
    reader: { anyOf: [{ oneOf: halves }] },
    reasons: several
  },
  {
    what: "the same change in two fields",
    writer: object({ x: text, y: text }),
    reader: object({ x: integer, y: integer }),
    reasons: ['"x" was string and became integer', '"y" was string and became integer']
  },
  {
    what: "two bounds that both apply",
    writer: { type: "integer", minimum: 3 },
    reader: { allOf: [{ type: "integer", minimum: 5 }, { minimum: 0 }] },
    reasons: ["the payload got the minimum 5", "the payload got another allOf"]
  },
  {
    what: "a definition whose name has a slash",
    writer: integer,
    reader: { $ref: "#/definitions/a~1b" },
    definitions: { "a/b": text },
    reasons: ["the payload was integer and became string"]
  }
]
