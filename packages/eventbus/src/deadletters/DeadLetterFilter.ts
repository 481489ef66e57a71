/**
 * Filters that select dead letters.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import type { Envelope } from "../broker/Envelope.ts"
import type { DeadLetter } from "./DeadLetter.ts"

/**
 * A filter of dead letters. It selects the dead letters that match all of its criteria.
 * `{}` selects all of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetterFilter {
  readonly ids?: ReadonlyArray<string> | undefined
  /** The first characters of the id. */
  readonly idPrefix?: string | undefined
  /** The event's type. */
  readonly type?: string | undefined
  /** The fault's reason, such as the tag of an error. */
  readonly reason?: string | undefined
  readonly fingerprint?: string | undefined
  /** The key of an ordered subscription. */
  readonly key?: string | undefined
  /** The last failure is longer ago than this. */
  readonly olderThan?: Duration.Input | undefined
  /** The last failure is at most this long ago. */
  readonly newerThan?: Duration.Input | undefined
  /** A text that the body or the error's message contains, in upper or lower case. */
  readonly text?: string | undefined
}

/**
 * The parts of a dead letter that a filter asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject extends Pick<DeadLetter, "id" | "type"> {
  readonly envelope: Pick<Envelope, "body" | "fault" | "key">
}

const decoder = new TextDecoder()

/**
 * Returns a predicate that applies a filter. `now` is in milliseconds since 1970.
 *
 * @category predicates
 * @since 0.1.0
 */
export const matches = (filter: DeadLetterFilter, now: number): ((subject: Subject) => boolean) => {
  const { fingerprint, idPrefix, key, reason, type } = filter
  const ids = filter.ids === undefined ? undefined : new Set(filter.ids)
  const before = filter.olderThan === undefined ? undefined : now - Duration.toMillis(filter.olderThan)
  const after = filter.newerThan === undefined ? undefined : now - Duration.toMillis(filter.newerThan)
  const text = filter.text?.toLowerCase()
  return ({ envelope, id, type: itsType }) => {
    const { body, fault } = envelope
    if (ids !== undefined && !ids.has(id)) return false
    if (idPrefix !== undefined && !id.startsWith(idPrefix)) return false
    if (type !== undefined && type !== itsType) return false
    if (reason !== undefined && reason !== fault?.reason) return false
    if (key !== undefined && key !== envelope.key) return false
    if (fingerprint !== undefined && fingerprint !== fault?.fingerprint) return false
    if (before !== undefined && !(fault !== undefined && fault.lastFailedAt < before)) return false
    if (after !== undefined && !(fault !== undefined && fault.lastFailedAt >= after)) return false
    if (text === undefined) return true
    return fault?.message.toLowerCase().includes(text) === true || decoder.decode(body).toLowerCase().includes(text)
  }
}
