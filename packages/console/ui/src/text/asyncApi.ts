/** The parts of an AsyncAPI document that a page shows. */
import * as Predicate from "effect/Predicate"

const member = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((at, name) => (Predicate.hasProperty(at, name) ? at[name] : undefined), value)

/** Returns a part of the document, or the one that it refers to. */
const resolved = (document: unknown, part: unknown): unknown => {
  const reference = member(part, "$ref")
  if (typeof reference !== "string" || !reference.startsWith("#/")) return part
  const path = reference.slice(2).split("/")
  return member(document, ...path.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"))) ?? part
}

/** Finds the message of a type in the document: its name begins with that of the type. */
export const messageOf = (document: unknown, name: string): unknown => {
  const messages = member(document, "components", "messages")
  if (typeof messages !== "object" || messages === null) return undefined
  return Object.entries(messages).find(
    ([key, message]) => key === name || member(message, "name") === name || key.startsWith(`${name}.v`)
  )?.[1]
}

/** Returns the schema of the payload alone, where the schema of the whole event has one. */
export const schemaOf = (document: unknown, message: unknown): unknown => {
  const schema = member(message, "payload") ?? message
  const parts = member(schema, "allOf")
  const candidates: ReadonlyArray<unknown> = Array.isArray(parts) ? [...parts, schema] : [schema]
  const payload = candidates.map((part) => member(part, "properties", "payload")).find((part) => part !== undefined)
  return resolved(document, payload ?? schema)
}
