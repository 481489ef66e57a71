/**
 * Dead letters as the page sees them.
 *
 * @internal
 */

import type { Contract } from "@effect-eventbus/inspect/Contract"
import * as DeadLetter from "effect-eventbus/DeadLetter"
import * as DeadLetterFilter from "effect-eventbus/DeadLetterFilter"
import type { Summary } from "effect-eventbus/DeadLetters"
import * as Envelope from "effect-eventbus/Envelope"
import type * as JobModel from "../ConsoleJob.ts"
import type * as Model from "../ConsoleModel.ts"
import { bodiesOf, type Settings } from "./settings.ts"

type Letter = DeadLetter.DeadLetter
type Row = typeof Model.Summary.Type

/** The longest message of a row. */
const maxMessage = 200
/** The longest text that the page is given. The whole is in an export. */
const maxText = 256 * 1024

/** Returns a dead letter as it may be shown. */
export const shown = ({ bodies }: Settings, letter: Letter): Letter =>
  typeof bodies === "function" ? bodies(letter) : letter

const row = (
  { bytes, fault, id, key, round, type }: Pick<Summary, "id" | "type" | "round" | "bytes" | "fault" | "key">,
  index: number
): Row => ({
  index,
  id,
  type,
  reason: fault?.reason,
  message: (fault?.message ?? "").slice(0, maxMessage),
  fingerprint: fault?.fingerprint,
  key,
  attempts: fault?.attempts ?? 0,
  round,
  firstFailedAt: fault?.firstFailedAt,
  lastFailedAt: fault?.lastFailedAt,
  bytes
})

export const summaryOf = ({ envelope: { body, fault, key, round }, id, type }: Letter, index: number): Row =>
  row({ id, type, round, bytes: body.length, fault, key }, index)

/** Returns the row of a dead letter as it may be shown. Without the whole of it, its message and key are left out. */
export const rowOf = (settings: Settings, seen: Summary, index: number): Row => {
  if (bodiesOf(settings) !== "redact") return row(seen, index)
  const { bytes, letter } = seen
  return letter === undefined
    ? { ...row(seen, index), message: "", key: undefined }
    : { ...summaryOf(shown(settings, letter), index), bytes }
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const textOf = (body: Uint8Array): string | undefined => {
  try {
    return utf8.decode(body)
  } catch {
    return undefined
  }
}

const bodyOf = (settings: Settings, body: Uint8Array): typeof Model.Body.Type => {
  if (settings.bodies === "hide") return { _tag: "Hidden", message: "This console hides bodies" }
  const text = textOf(body)
  if (text === undefined) {
    const base64 = Buffer.from(body.subarray(0, maxText)).toString("base64")
    return { _tag: "Bytes", base64, isCut: body.length > maxText }
  }
  const isCut = text.length > maxText
  return { _tag: isJson(text) ? "Json" : "Text", text: isCut ? text.slice(0, maxText) : text, isCut }
}

const stringIn = (json: string | undefined): string | undefined => {
  const value: unknown = json === undefined ? undefined : JSON.parse(json)
  return typeof value === "string" ? value : undefined
}

/** Returns the JSON text of a member of a body, if the body is a JSON object. */
export const memberOf = (letter: Letter, key: string): string | undefined => {
  const text = textOf(letter.envelope.body)
  if (text === undefined || !isJson(text) || !text.trimStart().startsWith("{")) return undefined
  return Envelope.member(letter.envelope, key)
}

export const typeIn = (contract: Contract | undefined, letter: Letter) =>
  contract?.eventTypes.find(({ name }) => name === letter.type)

export const detailOf = (
  settings: Settings,
  original: Letter,
  index: number,
  where: { readonly snapshot: string; readonly queue: string }
): typeof Model.DeadLetter.Type => {
  const letter = shown(settings, original)
  const { envelope } = letter
  const { fault } = envelope
  return {
    ...summaryOf(letter, index),
    ...where,
    message: fault?.message ?? "",
    stack: fault?.stack,
    host: fault?.host,
    behind: envelope.behind,
    routingKey: envelope.routingKey,
    origin: envelope.origin,
    source: envelope.source,
    timestamp: envelope.timestamp,
    priority: envelope.priority,
    version: envelope.version,
    traceId: envelope.traceId,
    traceparent: envelope.traceparent,
    parentEventId: stringIn(memberOf(letter, "parent_event_id")),
    contentType: envelope.content?.type,
    contentEncoding: envelope.content?.encoding,
    body: bodyOf(settings, envelope.body),
    payload: settings.bodies === "show" ? memberOf(letter, "payload") : undefined,
    hasSchema: typeIn(settings.contract, letter) !== undefined
  }
}

/** Converts a selection to a filter of dead letters. */
export const filterOf = (selection: typeof JobModel.Selection.Type): DeadLetterFilter.DeadLetterFilter => ({
  ids: selection.ids,
  fingerprint: selection.fingerprint,
  type: selection.type,
  reason: selection.reason,
  key: selection.key,
  text: selection.text,
  olderThan: selection.olderThan,
  newerThan: selection.newerThan
})

const nothing = new Uint8Array()

const subjectOf = ({ fault, id, key, letter, type }: Summary): DeadLetterFilter.Subject =>
  letter ?? { id, type, envelope: { body: nothing, key, fault: fault && { ...fault, stack: undefined } } }

/** Returns a predicate on the dead letters of a look as they are shown. What is hidden or not kept is not searched. */
export const matches = (settings: Settings, selection: typeof JobModel.Selection.Type, now: number) => {
  const { text, ...rest } = filterOf(selection)
  const isSelected = DeadLetterFilter.matches(rest, now)
  if (text === undefined) return (seen: Summary) => isSelected(subjectOf(seen))
  const needle = text.toLowerCase()
  const hasText = DeadLetterFilter.matches({ text }, now)
  const isIn = ({ fault, letter, ...rest }: Summary) => {
    if (settings.bodies === "hide") return fault?.message.toLowerCase().includes(needle) === true
    if (letter !== undefined) return hasText(shown(settings, letter))
    return settings.bodies === "show" && hasText(subjectOf({ ...rest, fault, letter }))
  }
  return (seen: Summary) => isSelected(subjectOf(seen)) && (seen.id.includes(needle) || isIn(seen))
}

const encoder = new TextEncoder()

/** Returns a dead letter as a line of NDJSON. */
export const lineOf = (letter: Letter): Uint8Array => encoder.encode(`${JSON.stringify(DeadLetter.toJson(letter))}\n`)
