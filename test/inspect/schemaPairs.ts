import type { JsonSchema } from "effect"

type Schema = JsonSchema.JsonSchema

/** Two schemas, of a publisher and of a consumer, and the reasons why one refuses what the other allows. */
export interface Pair {
  readonly what: string
  readonly writer: Schema
  readonly reader: Schema
  readonly definitions?: JsonSchema.Definitions
  readonly reasons: ReadonlyArray<string>
}

const object = (properties: Record<string, Schema>, required = Object.keys(properties)): Schema => ({
  type: "object",
  properties,
  required,
  additionalProperties: false
})
const [integer, text] = [{ type: "integer" }, { type: "string" }]
const several = ["the payload may be more than one of its alternatives"]
const aboutFive = { type: "integer", minimum: 0, maximum: 10 }
const halves = [
  { type: "integer", minimum: 0 },
  { type: "integer", maximum: 10 }
]

export const pairs: ReadonlyArray<Pair> = [
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
