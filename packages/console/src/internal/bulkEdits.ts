/**
 * The same changes to the payloads of many dead letters, checked before they are made.
 *
 * @internal
 */

import type { Contract } from "@effect-eventbus/inspect/Contract"
import * as DeadLetter from "effect-eventbus/DeadLetter"
import type { Summary } from "effect-eventbus/DeadLetters"
import { EncodeFailed } from "effect-eventbus/PublishError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as JobModel from "../ConsoleJob.ts"
import * as changes from "./changes.ts"
import { memberOf, typeIn } from "./deadLetterView.ts"
import * as edits from "./edits.ts"
import * as JsonText from "./jsonText.ts"
import { Refusals } from "./Refusals.ts"

type Check = typeof JobModel.EditAllCheck.Type
type Letter = DeadLetter.DeadLetter

/** Returns the payload of a dead letter as it was written, if it is an event. */
const payloadOf = (letter: Letter): JsonText.Node | undefined => {
  const json = memberOf(letter, "payload")
  return json === undefined ? undefined : JsonText.parse(json)
}

/** A dead letter after the changes. */
interface Edited {
  readonly letter: Letter
  readonly isSame: boolean
}

/** Returns a function that makes the changes to a dead letter, or says why it refuses them. */
const editor = (contract: Contract | undefined, all: ReadonlyArray<changes.Change>) => {
  const make = changes.maker(all)
  return (letter: Letter): Result.Result<Edited, string> => {
    const before = payloadOf(letter)
    if (before === undefined) return Result.fail("its body is not an event")
    return Result.flatMap(make(before), (after) =>
      Result.mapBoth(DeadLetter.edited(letter, JsonText.print(after), typeIn(contract, letter)), {
        onFailure: ({ detail }) => detail,
        onSuccess: (edited) => ({ letter: edited, isSame: JsonText.isSame(before, after) })
      })
    )
  }
}

/** Returns the edit of a job. One that is kept without a change would only lose its place. */
export const edit = (contract: Contract | undefined, all: ReadonlyArray<changes.Change>, keep: boolean) => {
  const make = editor(contract, all)
  return (letter: Letter): Result.Result<Letter, EncodeFailed> => {
    const made = make(letter)
    if (Result.isFailure(made)) return Result.fail(new EncodeFailed({ detail: made.failure }))
    return keep && made.success.isSame
      ? Result.fail(new EncodeFailed({ detail: "nothing changes in it" }))
      : Result.succeed(made.success.letter)
  }
}

/** The values at the place of a change, compared with the one that it was made from. */
class Place {
  readonly change: changes.Change
  private readonly before: JsonText.Node | undefined
  private others = 0
  private absent = 0
  private other: JsonText.Node | undefined

  constructor(change: changes.Change, sample: JsonText.Node) {
    this.change = change
    this.before = changes.valueAt(sample, change)
  }

  add(payload: JsonText.Node): void {
    const value = changes.valueAt(payload, this.change)
    if (value === undefined) {
      if (this.before !== undefined) this.absent++
    } else if (this.before === undefined || !JsonText.isSame(value, this.before)) {
      this.others++
      this.other ??= value
    }
  }

  get model(): Check["changes"][number] {
    const { absent, before, change, other, others } = this
    return { change, before: before && shortText(before), others, other: other && shortText(other), absent }
  }
}

/** The page shows a value in a line. */
const maxValue = 200

const shortText = (node: JsonText.Node): string => {
  const text = JsonText.print(node)
  return text.length <= maxValue ? text : `${text.slice(0, maxValue)}…`
}

/** So many dead letters are checked before others have their turn. */
const step = 50

/** Checks what becomes of dead letters by the changes that make the payload of one of them another one. */
export const check = Effect.fnUntraced(function* (
  contract: Contract | undefined,
  queue: string,
  seen: ReadonlyArray<Summary>,
  sample: Letter,
  payload: string
): Effect.fn.Return<Check> {
  const { after, before, hasSchema, issues } = edits.check(contract, sample, payload)
  const old = payloadOf(sample)
  const changed = JsonText.parse(payload)
  const isWhole = old?._tag === "Members" && changed?._tag === "Members"
  const all = isWhole ? changes.between(old, changed) : []
  const places = old === undefined ? [] : all.map((change) => new Place(change, old))
  const make = editor(contract, all)
  const refusals = new Refusals()
  const sums = { accepted: 0, unchanged: 0, unchecked: 0 }
  for (const [i, { id, key, letter }] of all.length === 0 ? [] : seen.entries()) {
    if (i % step === step - 1) yield* Effect.yieldNow
    if (key !== undefined && !QueueSpec.isDeadLetterQueue(queue)) {
      refusals.add("its key is ordered, so it can only be replayed as it is, or discarded", id)
      continue
    }
    if (letter === undefined) {
      sums.unchecked++
      continue
    }
    const payload = payloadOf(letter)
    if (payload !== undefined) for (const place of places) place.add(payload)
    const made = make(letter)
    if (Result.isFailure(made)) {
      refusals.add(made.failure, id)
      continue
    }
    sums.accepted++
    if (made.success.isSame) sums.unchanged++
  }
  return {
    changes: places.map(({ model }) => model),
    issues,
    hasSchema,
    count: seen.length,
    ...sums,
    refusals: refusals.model,
    before,
    after
  }
})
