/**
 * Describes the failure of a handler: what it is called, what it says, and what lies
 * below it. Each part is found by itself, so that one that cannot be read takes no other
 * with it, and each is bounded.
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

/** Whether a text is a name, such as `NotFound` or `card_declined`, and no sentence, and no id. */
const isName = (text: string): boolean => /^[A-Za-z][A-Za-z_.:-]{0,63}$/.test(text)

/** What an error is called: its tag, its name, its code, its class; or the error itself, where it is no more than a name. */
const nameOf = (error: unknown): string | undefined => {
  if (typeof error === "string") return isName(error) ? error : undefined
  if (typeof error !== "object" || error === null) return undefined
  const tag = stringOf(get(error, "_tag"))
  if (tag !== undefined) return tag
  if (isError(error)) return stringOf(get(error, "name")) ?? classOf(error) ?? "Error"
  const code = stringOf(get(error, "code"))
  return code !== undefined && isName(code) ? code : classOf(error)
}

/** Members that are told in another place. */
const told: ReadonlySet<string> = new Set(["_tag", "name", "message", "stack", "cause", "errors"])

/** What an error says: its message, or its fields where it has none, as tagged errors have them. */
const messageOf = (error: unknown, atMost: number): string => {
  const message = typeof error === "string" ? error : stringOf(get(error, "message"))
  if (message !== undefined) return message.slice(0, atMost)
  const text = valueText(error, atMost, told)
  return text === "{}" ? "" : text
}

/** The errors of a cause, failures before defects: the first one is what the cause is taken for. */
const errorsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> => [
  ...cause.reasons.filter(Cause.isFailReason).map(({ error }) => error),
  ...cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
]

/** More than any error has below it. Of those, the nearest and the innermost are told. */
const mostBelow = 1000
const nearest = 3
const innermost = 2

/** An error that lies below another one, or beside it. */
interface Below {
  readonly error: unknown
  readonly how: "caused by" | "and also"
}

/** What an error was caused by, and which errors it stands for. */
const causesOf = (error: unknown): ReadonlyArray<Below> => {
  const cause = get(error, "cause")
  const several = get(error, "errors")
  const causes = Cause.isCause(cause) ? errorsOf(cause) : [cause].filter(Predicate.isNotNullish)
  const all = [...causes, ...((Array.isArray(several) && attempt(() => several.slice(0, mostBelow))) || [])]
  return all.map((error) => ({ error, how: "caused by" }))
}

/** All that lies below an error and those beside it, each before its own causes. */
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

/** The parts of an error, each of which may be missing. */
const partsOf = (error: unknown, maxMessage: number) => {
  const message = messageOf(error, maxMessage)
  const stack = isError(error) ? stringOf(get(error, "stack")) : undefined
  return { name: nameOf(error), message, stack, place: stack === undefined ? "" : placeOf(stack, message) }
}

const labelOf = ({ message, name }: ReturnType<typeof partsOf>): string => {
  const isSaid = name === undefined || name === "Error" || name === message
  return [isSaid ? "" : name, message].filter((part) => part !== "").join(": ") || "Error"
}

/** What an error says itself, followed by what lies below it, in so many bytes. */
const joined = (own: string, others: ReadonlyArray<string>, separator: string, maxBytes: number): string => {
  // They have a half at most, so that the innermost one is told whatever the others say.
  const share = Math.floor(maxBytes / 2 / others.length) - separator.length
  const rest = others.map((other) => bounded(other, share)).join(separator)
  if (rest === "" || own === "") return own + rest
  return `${bounded(own, maxBytes - bytesOf(rest) - separator.length)}${separator}${rest}`
}

/** The words of a sentence, without those that differ from one failure to the next. */
const kindOf = (message: string): string => message.slice(0, 200).replace(/\S*["'`\d]\S*/g, "#")

/** A failure, described. */
export interface ErrorText {
  readonly reason: string
  readonly message: string
  readonly stack: string | undefined
  /** Tells failures of one reason apart, and is the same for those of one kind. */
  readonly place: string
}

/** Describes the cause with which a handler ended. */
export const describe = (cause: Cause.Cause<unknown>, maxMessage: number, maxStack: number): ErrorText => {
  const [error = Cause.squash(cause), ...beside] = errorsOf(cause)
  const own = partsOf(error, maxMessage * 2)
  const others = below(error, beside).map(({ error, how }) => ({ how, ...partsOf(error, maxMessage) }))
  const told = new Set(
    others
      // An error often says what its cause said.
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
