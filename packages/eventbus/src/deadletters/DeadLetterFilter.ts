/**
 * Which of the dead letters someone means.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import type { DeadLetter } from "./DeadLetter.ts"

/**
 * What a dead letter must be. All that is said must hold; where nothing is said,
 * every letter is meant.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetterFilter {
  readonly ids?: ReadonlyArray<string> | undefined
  /** What the id begins with. */
  readonly idPrefix?: string | undefined
  /** The event's type. */
  readonly type?: string | undefined
  /** The error's tag, or what else is the fault's reason. */
  readonly reason?: string | undefined
  readonly fingerprint?: string | undefined
  /** It last failed longer ago than that. */
  readonly olderThan?: Duration.Input | undefined
  /** It last failed within that time. */
  readonly newerThan?: Duration.Input | undefined
  /** Somewhere in the body or in the error's message, whether in capitals or not. */
  readonly text?: string | undefined
}

const decoder = new TextDecoder()

/**
 * What tells whether a letter is one of those meant, at a time in milliseconds
 * since 1970.
 *
 * @category predicates
 * @since 0.1.0
 */
export const matches = (filter: DeadLetterFilter, now: number): ((letter: DeadLetter) => boolean) => {
  const { fingerprint, idPrefix, reason, type } = filter
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
    if (fingerprint !== undefined && fingerprint !== fault?.fingerprint) return false
    if (before !== undefined && !(fault !== undefined && fault.lastFailedAt < before)) return false
    if (after !== undefined && !(fault !== undefined && fault.lastFailedAt >= after)) return false
    if (text === undefined) return true
    return fault?.message.toLowerCase().includes(text) === true || decoder.decode(body).toLowerCase().includes(text)
  }
}
