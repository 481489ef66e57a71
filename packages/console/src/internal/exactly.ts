/**
 * The dead letters of a look, told from others with the same ids: an event may be among the
 * dead letters twice, and as it was before and after a change.
 *
 * @internal
 */

import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { Summary } from "effect-eventbus/DeadLetters"

const keyOf = ({ bytes, fault, id, round }: Pick<Summary, "id" | "round" | "bytes" | "fault">): string =>
  JSON.stringify([id, round, bytes, fault?.fingerprint, fault?.lastFailedAt])

const isSame = (seen: Summary, { envelope: { body } }: DeadLetter): boolean =>
  seen.letter === undefined || Buffer.compare(seen.letter.envelope.body, body) === 0

/** Returns a predicate that holds for each of these dead letters once, and for no other. */
export const exactly = (letters: Iterable<Summary>): ((letter: DeadLetter) => boolean) => {
  const wanted = new Map<string, Array<Summary>>()
  for (const seen of letters) {
    const key = keyOf(seen)
    const same = wanted.get(key)
    if (same === undefined) wanted.set(key, [seen])
    else same.push(seen)
  }
  return (letter) => {
    const { envelope, id } = letter
    const { body, fault, round } = envelope
    const same = wanted.get(keyOf({ id, round, bytes: body.length, fault })) ?? []
    const at = same.findIndex((seen) => isSame(seen, letter))
    if (at < 0) return false
    same.splice(at, 1)
    return true
  }
}
