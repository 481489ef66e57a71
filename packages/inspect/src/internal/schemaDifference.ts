/**
 * The reasons why a reader's JSON Schema refuses values that a writer's allows.
 *
 * It never takes a difference for compatible: what it does not understand has to be equal.
 *
 * @internal
 */

import type * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import { alternatives, type Document, type Flat, schemaOf, type } from "./flatSchema.ts"

type Schema = Flat["schema"]
type Reasons = ReadonlyArray<string>

interface Comparison {
  readonly writer: JsonSchema.Definitions
  readonly reader: JsonSchema.Definitions
  /** The pairs that are being compared, because recursive schemas come back to them. */
  readonly open: Set<string>
}

/** Quotes the path of a value. The empty one is the payload itself. */
const quoted = (path: string): string => (path === "" ? "the payload" : `"${path}"`)
const below = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`)

const strings = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.filter(Predicate.isString) : []
const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const describe = (schema: Schema): string => {
  if (schema["const"] !== undefined) return JSON.stringify(schema["const"])
  const tags = Object.entries(schemaOf(schema["properties"])).flatMap(([key, property]) => {
    const values = list(schemaOf(property)["enum"])
    return values.length === 1 ? [`${key}: ${JSON.stringify(values[0])}`] : []
  })
  return tags.length > 0 ? `{ ${tags.join(", ")} }` : (type(schema) ?? "any value")
}

const lowest = ["minimum", "minLength", "minItems", "minProperties", "exclusiveMinimum"]
const highest = ["maximum", "maxLength", "maxItems", "maxProperties", "exclusiveMaximum"]
const bounds: ReadonlySet<string> = new Set([...lowest, ...highest])
/** The keywords that are compared elsewhere. */
const known: ReadonlySet<string> = new Set([
  "type",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "prefixItems"
])

/** Returns whether the writer keeps within a bound of the reader. An exclusive bound of the writer is a closer one. */
const isWithin = (keyword: string, writer: Schema, limit: number): boolean => {
  const name = keyword.replace("exclusiveM", "m")
  const exclusive = writer[name.replace("m", "exclusiveM")]
  const isLowest = lowest.includes(keyword)
  const keeps = (value: unknown, isStrict: boolean) =>
    typeof value === "number" && ((isLowest ? value > limit : value < limit) || (value === limit && !isStrict))
  return keeps(writer[name], keyword !== name) || keeps(exclusive, false)
}

/** Returns the bounds that a number or the length of a text breaks. */
const breaks = (value: unknown, keyword: string, limit: number): boolean => {
  // As Effect counts, whose schemas read the text: in units of UTF-16.
  const size = typeof value === "string" ? value.length : value
  if (typeof size !== "number") return true
  if (keyword.startsWith("exclusive")) return lowest.includes(keyword) ? size <= limit : size >= limit
  return lowest.includes(keyword) ? size < limit : size > limit
}

const constantReasons = (path: string, writer: Schema, reader: Schema): Reasons => {
  const value = writer["const"]
  const isRefused = Object.entries(reader).some(([keyword, limit]) => {
    if (keyword === "type") return false
    if (keyword === "pattern") return !(typeof value === "string" && new RegExp(String(limit), "u").test(value))
    return !bounds.has(keyword) || typeof limit !== "number" || breaks(value, keyword, limit)
  })
  return isRefused ? [`${quoted(path)} no longer accepts ${describe(writer)}`] : []
}

const keywordReasons = (path: string, writer: Schema, reader: Schema): Reasons =>
  Object.entries(reader).flatMap(([keyword, limit]) => {
    if (JSON.stringify(writer[keyword]) === JSON.stringify(limit)) return []
    if (typeof limit === "number" && bounds.has(keyword)) {
      return isWithin(keyword, writer, limit) ? [] : [`${quoted(path)} got the ${keyword} ${limit}`]
    }
    return known.has(keyword) ? [] : [`${quoted(path)} got another ${keyword}`]
  })

const objectReasons = (on: Comparison, path: string, writer: Schema, reader: Schema): Reasons => {
  const [written, read] = [schemaOf(writer["properties"]), schemaOf(reader["properties"])]
  const always = new Set(strings(writer["required"]))
  const required = strings(reader["required"])
    .filter((key) => !always.has(key))
    .map((key) => `${quoted(below(path, key))} became required`)
  const others = writer["additionalProperties"]
  // Without it, a record of anything. With `false`, a publisher writes no other fields.
  const hasOthers = others !== false
  const readOthers = reader["additionalProperties"]
  const ofRead = Object.entries(read).flatMap(([key, property]) => {
    if (!(key in written) && !hasOthers) return []
    const from = key in written ? written[key] : others
    return reasons(on, below(path, key), schemaOf(from), schemaOf(property))
  })
  // A decoder ignores the fields that it does not know, even if its schema allows no others.
  const ofOthers = Object.entries(written).flatMap(([key, property]) =>
    key in read ? [] : reasons(on, below(path, key), schemaOf(property), schemaOf(readOthers))
  )
  const rest = hasOthers ? reasons(on, below(path, "*"), schemaOf(others), schemaOf(readOthers)) : []
  return [...required, ...ofRead, ...ofOthers, ...rest]
}

const arrayReasons = (on: Comparison, path: string, writer: Schema, reader: Schema): Reasons => {
  const [written, read] = [list(writer["prefixItems"]), list(reader["prefixItems"])]
  const longest = Math.max(written.length, read.length)
  const most = typeof writer["maxItems"] === "number" ? writer["maxItems"] : Number.POSITIVE_INFINITY
  const at = (prefix: ReadonlyArray<unknown>, schema: Schema, index: number) =>
    schemaOf(prefix[index] ?? schema["items"])
  const places = Array.from({ length: Math.min(longest, most) }, (_, index) =>
    reasons(on, below(path, String(index)), at(written, writer, index), at(read, reader, index))
  ).flat()
  return most > longest
    ? [...places, ...reasons(on, below(path, "*"), schemaOf(writer["items"]), schemaOf(reader["items"]))]
    : places
}

const flatReasons = (on: Comparison, path: string, writer: Schema, reader: Schema): Reasons => {
  if (Object.keys(reader).length === 0) return []
  if (reader["const"] !== undefined) {
    return JSON.stringify(writer["const"]) === JSON.stringify(reader["const"])
      ? []
      : [`${quoted(path)} no longer accepts ${describe(writer)}`]
  }
  const [was, is] = [type(writer), type(reader)]
  if (is !== undefined && was !== is && !(was === "integer" && is === "number")) {
    return [`${quoted(path)} was ${was ?? "any value"} and became ${is}`]
  }
  if (writer["const"] !== undefined) return constantReasons(path, writer, reader)
  // Keywords for objects and lists apply to them even if the reader names no type.
  const isMaybe = (type: string) => [type, undefined].includes(is ?? was)
  return [
    ...keywordReasons(path, writer, reader),
    ...(isMaybe("object") ? objectReasons(on, path, writer, reader) : []),
    ...(isMaybe("array") ? arrayReasons(on, path, writer, reader) : [])
  ]
}

/** Returns whether no value fits both: by their types, their values, or a required field that tells them apart. */
const isDisjoint = (on: Comparison, writer: Schema, reader: Schema): boolean => {
  const [was, is] = [type(writer), type(reader)]
  if (was === undefined || is === undefined) return false
  const isNumeric = /^(integer|number)$/.test(was) && /^(integer|number)$/.test(is)
  if (was !== is && !isNumeric) return true
  const values = [writer["const"], reader["const"]]
  if (!values.includes(undefined)) return JSON.stringify(values[0]) !== JSON.stringify(values[1])
  if (was !== "object") return false
  const [written, read] = [schemaOf(writer["properties"]), schemaOf(reader["properties"])]
  return strings(writer["required"]).some((key) => {
    const those = alternatives(on.reader, schemaOf(read[key]))
    return alternatives(on.writer, schemaOf(written[key])).every((each) =>
      those.every((other) => each.schema["const"] !== undefined && isDisjoint(on, each.schema, other.schema))
    )
  })
}

const alternativeReasons = (on: Comparison, path: string, writer: Schema, readers: ReadonlyArray<Flat>): Reasons => {
  const candidates = readers.filter(({ schema }) => !isDisjoint(on, writer, schema))
  const all = candidates.map(({ schema }) => flatReasons(on, path, writer, schema))
  const fits = candidates.filter((_, index) => all[index]?.length === 0)
  if (fits.length > 0) {
    const isClear = candidates.length === 1 || !fits.every(({ isAlone }) => isAlone)
    return isClear ? [] : [`${quoted(path)} may be more than one of its alternatives`]
  }
  const [only, ...more] = all
  if (only !== undefined && more.length === 0) return only
  const [first, ...others] = readers
  return first !== undefined && others.length === 0
    ? flatReasons(on, path, writer, first.schema)
    : [`${quoted(path)} no longer accepts ${describe(writer)}`]
}

const reasons = (on: Comparison, path: string, writer: Schema, reader: Schema): Reasons => {
  const pair = `${JSON.stringify(writer)} ${JSON.stringify(reader)}`
  if (on.open.has(pair)) return []
  on.open.add(pair)
  const [writers, readers] = [alternatives(on.writer, writer), alternatives(on.reader, reader)]
  // The two unions are the same one, whose alternatives may overlap.
  const isSame = JSON.stringify(writers) === JSON.stringify(readers)
  const all = writers.flatMap(({ schema }, index) => {
    const same = readers[index]
    return isSame && same !== undefined
      ? flatReasons(on, path, schema, same.schema)
      : alternativeReasons(on, path, schema, readers)
  })
  on.open.delete(pair)
  return [...new Set(all)]
}

/** Returns why the reader's schema may refuse what the writer's allows. None: it accepts all of it. */
export const difference = (writer: Document, reader: Document): Reasons =>
  reasons({ writer: writer.definitions, reader: reader.definitions, open: new Set() }, "", writer.schema, reader.schema)
