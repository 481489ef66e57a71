/**
 * Delivers single dead letters again, as they are or edited.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type { Envelope } from "../../broker/Envelope.ts"
import { EncodeFailed, type Reason, TooLarge } from "../../broker/PublishError.ts"
import * as QueueSpec from "../../broker/QueueSpec.ts"
import * as DeadLetter from "../DeadLetter.ts"
import type { Source } from "./scan.ts"

/** An action on a dead letter, before it leaves its queue. */
export type Action = (letter: DeadLetter.DeadLetter) => Effect.Effect<void, Reason>

/** Returns the words for the key of a dead letter of an ordered subscription. */
export const keyOf = ({ envelope }: DeadLetter.DeadLetter): string => `its key "${envelope.key}"`

/** Returns the actions on the dead letters of a queue. */
export const make = ({ broker, name }: Pick<Source, "broker" | "name">, queue: string) => {
  const send = (to: string, envelope: Envelope): Effect.Effect<void, Reason> => {
    const bytes = envelope.body.length
    return bytes > broker.maxBodyBytes
      ? Effect.fail(new TooLarge({ bytes, limit: broker.maxBodyBytes }))
      : broker.put(to, envelope)
  }

  const replay: Action = (letter) => {
    const again = DeadLetter.replayed(letter)
    if (!QueueSpec.isDeadLetterQueue(queue)) return send(queue, again)
    // A dead letter of dead letters becomes one of the queue itself again, and keeps its fault.
    const origin = { queue: QueueSpec.originOf(queue), exchange: again.origin?.exchange }
    return send(queue, { ...again, origin, fault: letter.envelope.fault })
  }

  /** Adds a dead letter at the end of the others. */
  const put: Action = ({ envelope }) => send(name, { ...envelope, ttl: undefined, persistent: true, attempt: 1 })

  /** Whether a dead letter is handled in its place, after those of its key. */
  const isOrdered = ({ envelope }: DeadLetter.DeadLetter): boolean =>
    envelope.key !== undefined && !QueueSpec.isDeadLetterQueue(queue)

  /** Edits a dead letter before an action on it. */
  const edited =
    (
      edit: (letter: DeadLetter.DeadLetter) => Result.Result<DeadLetter.DeadLetter, EncodeFailed>,
      act: Action,
      /** A reason that many share names no key. */
      wordsOf: typeof keyOf = () => "its key"
    ): Action =>
    (letter) => {
      if (isOrdered(letter)) {
        const detail = `${wordsOf(letter)} is ordered, so it can only be replayed as it is, or discarded`
        return Effect.fail(new EncodeFailed({ detail }))
      }
      const made = Effect.suspend(() => Effect.fromResult(edit(letter)))
      return Effect.flatMap(made, act)
    }

  return { replay, put, isOrdered, edited }
}
