/**
 * JSON Schemas without references and unions: the alternatives that a schema allows.
 *
 * @internal
 */

import type * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"

/** A schema, and the definitions that it refers to. */
export interface Document {
  readonly schema: JsonSchema.JsonSchema
  readonly definitions: JsonSchema.Definitions
}

/** A schema of one type, or of one value, which is its `const`. Without members it allows anything. */
export interface Flat {
  readonly schema: Readonly<Record<string, unknown>>
  /** Whether a value must fit none of the other alternatives. */
  readonly isAlone: boolean
}

const annotations: ReadonlySet<string> = new Set([
  "$schema",
  "title",
  "description",
  "default",
  "examples",
  "readOnly",
  "writeOnly",
  "deprecated",
  "format",
  "contentEncoding",
  "contentMediaType",
  "contentSchema"
])

/** Returns whether a keyword says nothing about which values are valid. */
export const isAnnotation = (keyword: string): boolean => annotations.has(keyword)

/** Returns a member that is a schema. A member that is none allows anything. */
export const schemaOf = (value: unknown): JsonSchema.JsonSchema => (Predicate.isObject(value) ? { ...value } : {})

/** Returns the name of a definition, as references escape it. */
const definitionOf = (ref: string): string =>
  decodeURIComponent(ref.replace(/^#\/(\$defs|definitions)\//, ""))
    .replaceAll("~1", "/")
    .replaceAll("~0", "~")

/** Joins two schemas that both apply. A keyword of both stays in an `allOf`, which only an equal one fits. */
const joined = (left: Flat["schema"], right: Flat["schema"]): Flat["schema"] => {
  const both = Object.keys(right).filter(
    (key) => key in left && JSON.stringify(left[key]) !== JSON.stringify(right[key])
  )
  return both.length === 0 ? { ...left, ...right } : { ...left, allOf: [left["allOf"] ?? [], right] }
}

const without = (schema: Flat["schema"], keyword: string): Flat["schema"] =>
  Object.fromEntries(Object.entries(schema).filter(([key]) => key !== keyword))

/**
 * Returns the alternatives of a schema. `open` are the references that are being followed: a definition that is itself
 * keeps its reference, which only an equal one fits.
 */
export const alternatives = (
  document: JsonSchema.Definitions,
  schema: Readonly<Record<string, unknown>>,
  open: ReadonlyArray<string> = []
): ReadonlyArray<Flat> => {
  const own = Object.fromEntries(Object.entries(schema).filter(([key]) => !isAnnotation(key)))
  const within = (rest: Flat["schema"], branches: ReadonlyArray<unknown>, isAlone: boolean, opened = open) =>
    branches.flatMap((branch) =>
      alternatives(document, schemaOf(branch), opened).flatMap((flat) =>
        alternatives(document, joined(rest, flat.schema), opened).map((each) => ({
          schema: each.schema,
          isAlone: isAlone || flat.isAlone || each.isAlone
        }))
      )
    )
  const { $ref, allOf, anyOf, enum: values, oneOf, type } = own
  if (typeof $ref === "string" && !open.includes($ref)) {
    return within(without(own, "$ref"), [document[definitionOf($ref)]], false, [...open, $ref])
  }
  if (Array.isArray(anyOf)) return within(without(own, "anyOf"), anyOf, false)
  if (Array.isArray(oneOf)) return within(without(own, "oneOf"), oneOf, true)
  if (Array.isArray(allOf) && allOf.every(Predicate.isObject)) {
    const [first, ...more] = allOf
    const others = without(own, "allOf")
    if (first === undefined) return alternatives(document, others, open)
    return within(more.length === 0 ? others : { ...others, allOf: more }, [first], false)
  }
  if (Array.isArray(values)) {
    // A value has its type already, and other keywords would be about other types.
    return values.map((value) => ({ schema: { const: value }, isAlone: false }))
  }
  if (Array.isArray(type)) return type.map((each) => ({ schema: { ...own, type: each }, isAlone: false }))
  return [{ schema: own, isAlone: false }]
}

const typeOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value

/** Returns the JSON type that a flat schema allows. `undefined`: any. */
export const type = ({ const: value, type }: Flat["schema"]): string | undefined =>
  value !== undefined ? typeOf(value) : typeof type === "string" ? type : undefined
