import { integer, object, type Pair, type Schema, several, text } from "./schemaPair.ts"

const ref = (name: string): Schema => ({ $ref: `#/$defs/${name}` })
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }] })
const recursive = { Node: object({ next: orNull(ref("Node")) }, []) }

/** Pairs of references, unions and types of values. */
export const forms: ReadonlyArray<Pair> = [
  {
    what: "a value that may fit another alternative, too",
    writer: integer,
    reader: { oneOf: [{ type: "number" }, { type: "integer", minimum: 3 }] },
    reasons: several
  },
  {
    what: "a value that fits none of several alternatives",
    writer: { type: "number" },
    reader: { anyOf: [integer, { type: "number", minimum: 3 }] },
    reasons: ["the payload no longer accepts number"]
  },
  {
    what: "alternatives in another order",
    writer: { anyOf: [text, integer] },
    reader: { anyOf: [integer, text] },
    reasons: []
  },
  {
    what: "alternatives that overlap and may",
    writer: integer,
    reader: { anyOf: [integer, { type: "number" }] },
    reasons: []
  },
  {
    what: "alternatives that overlap and may, by references",
    writer: integer,
    reader: { anyOf: [ref("A"), ref("B")] },
    definitions: { A: integer, B: { type: "number" } },
    reasons: []
  },
  {
    what: "alternatives that overlap and may, by parts",
    writer: integer,
    reader: { anyOf: [{ allOf: [integer] }, { allOf: [{ type: "number" }] }] },
    reasons: []
  },
  {
    what: "two alternatives that are refused for the same reason",
    writer: {
      anyOf: [
        { type: "integer", minimum: 1 },
        { type: "integer", maximum: 0 }
      ]
    },
    reader: text,
    reasons: ["the payload was integer and became string"]
  },
  {
    what: "a recursive schema",
    writer: ref("Node"),
    writerDefinitions: recursive,
    reader: ref("Node"),
    definitions: { Node: { ...recursive.Node, additionalProperties: true } },
    reasons: []
  },
  {
    what: "a recursive schema that ends",
    writer: ref("Node"),
    writerDefinitions: recursive,
    reader: object({ next: orNull(object({ next: integer }, [])) }, []),
    reasons: ['"next.next" was object and became integer', '"next.next" was null and became integer']
  },
  {
    what: "a schema that became recursive",
    writer: object({ next: orNull(object({ next: integer }, [])) }, []),
    reader: ref("Node"),
    definitions: recursive,
    reasons: ['"next.next" no longer accepts integer']
  },
  {
    what: "a definition that changed under its name",
    writer: ref("A"),
    writerDefinitions: { A: integer },
    reader: ref("A"),
    definitions: { A: text },
    reasons: ["the payload was integer and became string"]
  },
  {
    what: "objects that a field tells apart, by references",
    writer: object({ kind: ref("W") }),
    writerDefinitions: { W: { const: "a" } },
    reader: { oneOf: [object({ kind: ref("A") }), object({ kind: ref("B") })] },
    definitions: { A: { const: "a" }, B: { const: "b" } },
    reasons: []
  },
  ...["a b", "a~b", "~1", "a/b"].map((name): Pair => ({
    what: `a definition named ${JSON.stringify(name)}`,
    writer: integer,
    reader: ref(encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"))),
    definitions: { [name]: text },
    reasons: ["the payload was integer and became string"]
  })),
  {
    what: "a definition that is itself",
    writer: integer,
    reader: ref("A"),
    definitions: { A: ref("A") },
    reasons: ["the payload got another $ref"]
  },
  {
    what: "parts that say the same of the type",
    writer: { type: "integer", minimum: 1, maximum: 2 },
    reader: {
      allOf: [
        { type: "integer", minimum: 0 },
        { type: "integer", maximum: 9 }
      ]
    },
    reasons: []
  },
  {
    what: "the second of two parts",
    writer: integer,
    reader: { allOf: [integer, { minimum: 5 }] },
    reasons: ["the payload got the minimum 5"]
  },
  {
    what: "one of three bounds that all apply",
    writer: { allOf: [{ type: "integer", minimum: 5 }, { minimum: 0 }, { minimum: 9 }] },
    reader: { allOf: [{ type: "integer", minimum: 5 }, { minimum: 1 }, { minimum: 9 }] },
    reasons: ["the payload got another allOf"]
  },
  {
    what: "another one of three bounds that all apply",
    writer: { allOf: [{ type: "integer", minimum: 5 }, { minimum: 0 }, { minimum: 9 }] },
    reader: { allOf: [{ type: "integer", minimum: 5 }, { minimum: 0 }, { minimum: 8 }] },
    reasons: ["the payload got another allOf"]
  },
  {
    what: "a definition that refers to another",
    writer: integer,
    reader: ref("A"),
    definitions: { A: ref("B"), B: integer },
    reasons: []
  },
  { what: "one more value of several", writer: { enum: ["a"] }, reader: { enum: ["a", "b"] }, reasons: [] },
  {
    what: "a list of other types",
    writer: text,
    reader: { type: ["integer", "null"] },
    reasons: ["the payload no longer accepts string"]
  },
  { what: "no parts", writer: integer, reader: { ...integer, allOf: [] }, reasons: [] },
  { what: "another description", writer: integer, reader: { ...integer, description: "a number" }, reasons: [] },
  { what: "a list of types", writer: integer, reader: { type: ["integer", "null"] }, reasons: [] },
  { what: "null", writer: { const: null }, reader: { type: "null" }, reasons: [] },
  { what: "a whole number", writer: { const: 3 }, reader: integer, reasons: [] },
  {
    what: "a broken number",
    writer: { const: 3.5 },
    reader: integer,
    reasons: ["the payload was number and became integer"]
  },
  {
    what: "a list as a value",
    writer: { const: ["a"] },
    reader: { type: "array", maxItems: 0 },
    reasons: ['the payload no longer accepts ["a"]']
  },
  { what: "a value that stayed", writer: { const: "a" }, reader: { const: "a" }, reasons: [] },
  {
    what: "a value that changed",
    writer: { const: "a" },
    reader: { const: "b" },
    reasons: ['the payload no longer accepts "a"']
  }
]
