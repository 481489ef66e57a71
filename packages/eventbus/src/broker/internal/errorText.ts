/**
 * Describes the failure of a handler: its name, its message, its causes. Each part is read
 * on its own, so that an unreadable part hides no other, and each part is bounded.
 *
 * @internal
 */

import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import { bounded, bytesOf } from "./boundedText.ts"
import { placeOf } from "./stackPlace.ts"
import { attempt, classOf, get, valueText } from "./valueText.ts"

const stringOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

const isError = (value: unknown): boolean =>
  attempt(() => value instanceof Error) === true ||
  (typeof get(value, "message") === "string" && typeof get(value, "stack") === "string")

/** Returns whether a text is a name, such as `NotFound` or `card_declined`, and not a sentence or an id. */
const isName = (text: string): boolean => /^[A-Za-z][A-Za-z_.:-]{0,63}$/.test(text)

/** Returns the tag of an error, or else its name, its code or its class. A string may be a name itself. */
const nameOf = (error: unknown): string | undefined => {
  if (typeof error === "string") return isName(error) ? error : undefined
  if (typeof error !== "object" || error === null) return undefined
  const tag = stringOf(get(error, "_tag"))
  if (tag !== undefined) return tag
  if (isError(error)) return stringOf(get(error, "name")) ?? classOf(error) ?? "Error"
  const code = stringOf(get(error, "code"))
  return code !== undefined && isName(code) ? code : classOf(error)
}

/** The members that are not among the fields, because another part of the description holds them. */
const told: ReadonlySet<string> = new Set(["_tag", "name", "message", "stack", "cause", "errors"])

/** Returns the message of an error, or its fields if it has none, as is usual for tagged errors. */
const messageOf = (error: unknown, atMost: number): string => {
  const message = typeof error === "string" ? error : stringOf(get(error, "message"))
  if (message !== undefined) return message.slice(0, atMost)
  const text = valueText(error, atMost, told)
  return text === "{}" ? "" : text
}

/** Returns the errors of a cause, failures before defects. The first one stands for the cause. */
const errorsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> => [
  ...cause.reasons.filter(Cause.isFailReason).map(({ error }) => error),
  ...cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
]

/** The number of causes that are followed. The nearest and the innermost of them are shown. */
const mostBelow = 1000
const nearest = 3
const innermost = 2

/** A cause of an error, or another error beside it. */
interface Below {
  readonly error: unknown
  readonly how: "caused by" | "and also"
}

/** Returns the cause of an error, and the errors that it aggregates. */
const causesOf = (error: unknown): ReadonlyArray<Below> => {
  const cause = get(error, "cause")
  const several = get(error, "errors")
  const causes = Cause.isCause(cause) ? errorsOf(cause) : [cause].filter(Predicate.isNotNullish)
  const all = [...causes, ...((Array.isArray(several) && attempt(() => several.slice(0, mostBelow))) || [])]
  return all.map((error) => ({ error, how: "caused by" }))
}

/** Returns all causes of an error, and the errors beside it with theirs. Each comes before its own causes. */
const below = (error: unknown, beside: ReadonlyArray<unknown>): ReadonlyArray<Below> => {
  const waiting = [...causesOf(error), ...beside.map((error): Below => ({ error, how: "and also" }))].toReversed()
  const seen = new Set([error])
  const found: Array<Below> = []
  for (let next = waiting.pop(); next !== undefined && found.length < mostBelow; next = waiting.pop()) {
    if (seen.has(next.error)) continue
    seen.add(next.error)
    found.push(next)
    waiting.push(...causesOf(next.error).toReversed())
  }
  return found.length > nearest + innermost ? [...found.slice(0, nearest), ...found.slice(-innermost)] : found
}

/** Returns the parts of an error, each of which may be missing. */
const partsOf = (error: unknown, maxMessage: number) => {
  const message = messageOf(error, maxMessage)
  const stack = isError(error) ? stringOf(get(error, "stack")) : undefined
  return { name: nameOf(error), message, stack, place: stack === undefined ? "" : placeOf(stack, message) }
}

const labelOf = ({ message, name }: ReturnType<typeof partsOf>): string => {
  const isSaid = name === undefined || name === "Error" || name === message
  return [isSaid ? "" : name, message].filter((part) => part !== "").join(": ") || "Error"
}

/** Joins the text of an error with those of its causes, in so many bytes. */
const joined = (own: string, others: ReadonlyArray<string>, separator: string, maxBytes: number): string => {
  // Causes get up to half of the space, in equal shares, so that the innermost one always fits.
  const share = Math.floor(maxBytes / 2 / others.length) - separator.length
  const rest = others.map((other) => bounded(other, share)).join(separator)
  if (rest === "" || own === "") return own + rest
  return `${bounded(own, maxBytes - bytesOf(rest) - separator.length)}${separator}${rest}`
}

/** Returns the words of a message, without those that differ from one failure to the next. */
const kindOf = (message: string): string => message.slice(0, 200).replace(/\S*["'`\d]\S*/g, "#")

/** The description of a failure. */
export interface ErrorText {
  readonly reason: string
  readonly message: string
  readonly stack: string | undefined
  /** Distinguishes kinds of failures that have the same reason. */
  readonly place: string
}

/** Describes the cause with which a handler ended. */
export const describe = (cause: Cause.Cause<unknown>, maxMessage: number, maxStack: number): ErrorText => {
  const [error = Cause.squash(cause), ...beside] = errorsOf(cause)
  const own = partsOf(error, maxMessage * 2)
  const others = below(error, beside).map(({ error, how }) => ({ how, ...partsOf(error, maxMessage) }))
  const told = new Set(
    others
      // The message of an error often contains that of its cause.
      .filter((other) => !own.message.includes(labelOf(other)))
      .map((other) => `${other.how} ${labelOf(other)}`)
  )
  const stacks = others.flatMap(({ how, stack }) => (stack === undefined ? [] : [`${how} ${stack}`]))
  const stack = joined(own.stack ?? "", stacks, "\n", maxStack)
  const placed = others.find(({ place }) => place !== "") ?? others.at(-1)
  const otherPlace = placed === undefined ? "" : `${placed.name} ${placed.place}`
  return {
    reason: own.name ?? (Cause.hasFails(cause) ? "Failure" : "Defect"),
    message: joined(own.message, [...told], "; ", maxMessage),
    stack: stack === "" ? undefined : stack,
    place: own.place || otherPlace || (own.name === undefined ? kindOf(own.message) : "")
  }
}
