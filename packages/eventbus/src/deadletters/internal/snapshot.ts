/**
 * Keeps what one look at dead letters has shown.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Struct from "effect/Struct"
import type { BrokerError } from "../../broker/BrokerError.ts"
import type { Fault } from "../../broker/Fault.ts"
import type { DeadLetter } from "../DeadLetter.ts"
import type { DeadLetterFilter } from "../DeadLetterFilter.ts"
import type { Snapshot, Summary } from "../DeadLetters.ts"
import { Grouping } from "./grouping.ts"
import { scan, type Source } from "./scan.ts"

/** The bytes of a dead letter that its summary leaves out. */
const sizeOf = ({ envelope: { body, fault } }: DeadLetter): number => body.length + (fault?.stack?.length ?? 0)

const withoutStack = (fault: Fault): Omit<Fault, "stack"> => Struct.omit(fault, ["stack"])

const summarize = (letter: DeadLetter, ordinal: number, isKept: boolean): Summary => {
  const { body, fault, key, round, routingKey, source, timestamp, traceId } = letter.envelope
  return {
    ordinal,
    id: letter.id,
    type: letter.type,
    timestamp,
    traceId,
    source,
    routingKey,
    round,
    ...(key === undefined ? {} : { key }),
    bytes: body.length,
    fault: fault === undefined ? undefined : withoutStack(fault),
    letter: isKept ? letter : undefined
  }
}

/** Looks once, and keeps summaries of all selected dead letters, and the whole of those that fit into `maxBytes`. */
export const snapshot = (
  source: Source,
  filter: DeadLetterFilter,
  maxBytes: number
): Effect.Effect<Snapshot, BrokerError> =>
  Effect.gen(function* () {
    const letters: Array<Summary> = []
    const grouping = new Grouping()
    let bytes = 0
    const scanned = yield* scan(source, filter, (letter, ordinal) => {
      const size = sizeOf(letter)
      const isKept = bytes + size <= maxBytes
      if (isKept) bytes += size
      letters.push(summarize(letter, ordinal, isKept))
      grouping.add(letter)
    })
    return { ...scanned, takenAt: yield* Clock.currentTimeMillis, letters, groups: grouping.bySize }
  })
