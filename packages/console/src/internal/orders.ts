/**
 * The orders that jobs carry out: replay, discard, edit, import, undo.
 *
 * @internal
 */

import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { ReplayResult, Summary } from "effect-eventbus/DeadLetters"
import { EventBus } from "effect-eventbus/EventBus"
import type { PublishError } from "effect-eventbus/PublishError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type BrokerFailed, ExportFirst, Invalid, NotFound, type SnapshotGone } from "../ConsoleError.ts"
import type * as JobModel from "../ConsoleJob.ts"
import * as bulkEdits from "./bulkEdits.ts"
import { filterOf, matches, typeIn } from "./deadLetterView.ts"
import * as edits from "./edits.ts"
import { invalid, orBrokerFailed } from "./errors.ts"
import { exactly } from "./exactly.ts"
import { type Job, maxKept, maxKeptBytes, type Order } from "./Jobs.ts"
import type { Look, Looks } from "./Looks.ts"
import type { Queues } from "./Queues.ts"
import * as selections from "./selections.ts"
import { CurrentOperator, type Settings } from "./settings.ts"

type Selection = typeof JobModel.Selection.Type
type Change = typeof JobModel.Change.Type

/** Fails where others of the look have the same ids as those that are selected by their ids. */
const checkedIds = (look: Look, ids: ReadonlyArray<string> = []): Effect.Effect<void, Invalid> => {
  const wanted = new Set(ids)
  const found = look.seen.filter(({ id }) => wanted.has(id)).length
  if (found <= wanted.size) return Effect.void
  const many = wanted.size === 1 ? `this id` : `these ${wanted.size} ids`
  return Effect.fail(
    invalid(
      `${found} dead letters have ${many}. Select by a filter, such as a text that only those have which you mean`
    )
  )
}

/** Returns the indexes of the dead letters of a look that a selection takes. */
export const selectedIn = (
  settings: Settings,
  look: Look,
  selection: Selection,
  now: number
): ReadonlyArray<number> => {
  const isSelected = matches(settings, selection, now)
  return look.seen.flatMap((seen, i) => (isSelected(seen) ? [i] : []))
}

const checkedRate = (rate: number | undefined): Effect.Effect<number | undefined, Invalid> =>
  rate === undefined || rate > 0 ? Effect.succeed(rate) : Effect.fail(invalid("The rate must be more than 0 a second"))

/** Fails where there are too many to keep, and they are in no export. */
const checkedKept = (look: Look, selected: ReadonlyArray<number>, why: string): Effect.Effect<void, ExportFirst> => {
  const count = selected.length
  const bytes = selected.reduce((sum, i) => sum + (look.seen[i]?.bytes ?? 0), 0)
  const isTooMuch = count > maxKept || bytes > maxKeptBytes
  if (!isTooMuch || selected.every((i) => look.exported.has(i))) return Effect.void
  const message = `${count} dead letters are too many to keep for ${why}: export them first`
  return Effect.fail(new ExportFirst({ count, bytes, message }))
}

export const make = Effect.fnUntraced(function* (settings: Settings, looks: Looks, queues: Queues) {
  const bus = yield* EventBus
  const clock = yield* Clock.Clock

  /** Returns a listener that counts the reasons of failures. */
  const refusing = (job: Job) => (error: PublishError) =>
    Effect.sync(() => {
      const { reason } = error
      job.refusals.add(reason._tag === "EncodeFailed" ? reason.detail : reason.message, error.eventId)
    })

  /** Counts those of a look that a job did not find. One that ended before the last of the queue tells nothing. */
  const missing =
    (job: Job, seen: ReadonlyArray<Summary> = []) =>
    <E>(self: Effect.Effect<ReplayResult, E>): Effect.Effect<ReplayResult, E> =>
      Effect.tap(self, ({ done, failed, skipped, waiting }) =>
        Effect.sync(() => {
          const gone = seen.length - done - failed
          if (gone > 0 && done + failed + skipped >= waiting) {
            job.refusals.add("it was no longer there, or had changed", undefined, gone)
          }
        })
      )

  /** Returns a listener that counts. It runs for each dead letter, so that it is a single step. */
  const counting = (job: Job) => (result: ReplayResult) =>
    Effect.sync(() => job.count(result, clock.currentTimeMillisUnsafe()))

  const lookOf = (queue: string, snapshot: string): Effect.Effect<Look, SnapshotGone | Invalid> =>
    Effect.flatMap(looks.get(snapshot), (look) =>
      look.queue === queue
        ? Effect.succeed(look)
        : Effect.fail(invalid(`The look is one at "${look.queue}", not at "${queue}"`))
    )

  /** Runs what holds dead letters back until it has ended, those too that it leaves alone. */
  const changing = <A, E>(job: Job, effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
    const left = () => {
      const { done, waiting } = job.tally
      return waiting === 0 ? undefined : waiting - (job.order.keep === true ? 0 : done)
    }
    return queues.holding(job.order.queue, left)(effect)
  }

  const order = Effect.fnUntraced(function* (
    queue: string,
    rest: Omit<Order, "queue" | "by" | "count" | "rate"> & { readonly rate?: number | undefined }
  ) {
    const { name: by } = yield* CurrentOperator
    return { queue, by, count: queues.deadLetters(queue), ...rest, rate: rest.rate } satisfies Order
  })

  /** Returns the dead letters of a look that a selection takes, and their indexes. */
  const seenIn = Effect.fnUntraced(function* (
    look: Look,
    given: Selection
  ): Effect.fn.Return<
    { readonly selection: Selection; readonly indexes: ReadonlyArray<number>; readonly seen: ReadonlyArray<Summary> },
    Invalid
  > {
    const selection = yield* selections.checked(given)
    yield* checkedIds(look, selection.ids)
    const indexes = selectedIn(settings, look, selection, yield* Clock.currentTimeMillis)
    if (indexes.length === 0) return yield* invalid("The look has no such dead letter")
    return { selection, indexes, seen: indexes.flatMap((i) => look.seen[i] ?? []) }
  })

  const replay = Effect.fnUntraced(function* (
    queue: string,
    given: { readonly selection: Selection; readonly snapshot?: string | undefined; readonly rate?: number | undefined }
  ): Effect.fn.Return<Order, SnapshotGone | Invalid> {
    const rate = yield* checkedRate(given.rate)
    const look = given.snapshot === undefined ? undefined : yield* lookOf(queue, given.snapshot)
    const found = look === undefined ? undefined : yield* seenIn(look, given.selection)
    const selection = found?.selection ?? (yield* selections.checked(given.selection))
    // What is hidden must not be searched, so the text selects what the page shows.
    if (selection.text !== undefined && settings.bodies !== "show" && found === undefined) {
      return yield* invalid("Bodies are hidden, so a text selects only in a look: name the snapshot")
    }
    // All are all, however many a look could hold. Of others it is what the operator has seen.
    const seen = selection.all === true ? undefined : found?.seen
    return yield* order(queue, {
      kind: "replay",
      title: selections.describe(queue, selection, look),
      selection,
      expected: found?.seen.length,
      rate,
      command: selections.command("replay", queue, selection, rate === undefined ? [] : ["--rate", `${rate}`]),
      run: (job) => {
        const filter = seen === undefined ? filterOf(selection) : { where: exactly(seen) }
        return changing(
          job,
          bus.deadLetters(queue).replay({
            ...filter,
            rate,
            onProgress: counting(job),
            onFailed: refusing(job),
            onTaken: (letter) => Effect.sync(() => job.sent.add(letter))
          })
        ).pipe(missing(job, seen))
      }
    })
  })

  const discard = Effect.fnUntraced(function* (
    queue: string,
    given: { readonly selection: Selection; readonly snapshot: string }
  ): Effect.fn.Return<Order, SnapshotGone | Invalid | ExportFirst> {
    const look = yield* lookOf(queue, given.snapshot)
    // Only what the operator has seen: others may have come since.
    const { indexes, seen, selection } = yield* seenIn(look, given.selection)
    yield* checkedKept(look, indexes, "an undo")
    return yield* order(queue, {
      kind: "discard",
      title: selections.describe(queue, selection, look),
      selection,
      expected: seen.length,
      command: selections.command("discard", queue, selection),
      run: (job) =>
        changing(
          job,
          bus.deadLetters(queue).discard({
            where: exactly(seen),
            onProgress: counting(job),
            onTaken: (letter) => Effect.sync(() => job.keep(letter))
          })
        ).pipe(missing(job, seen))
    })
  })

  /** Returns the dead letter of a look, with its body. */
  const find = Effect.fnUntraced(function* (
    look: Look,
    id: string
  ): Effect.fn.Return<{ readonly letter: DeadLetter; readonly index: number }, NotFound | BrokerFailed> {
    const index = look.seen.findIndex((seen) => seen.id === id)
    const letter = yield* orBrokerFailed(looks.whole(look, index))
    if (letter !== undefined) return { letter, index }
    return yield* new NotFound({
      what: "dead-letter",
      name: id.slice(0, 255),
      similar: [],
      message: "It is no longer there: someone has replayed or discarded it. Look again."
    })
  })

  const edit = Effect.fnUntraced(function* (
    queue: string,
    given: { readonly snapshot: string; readonly letter: string; readonly payload: string }
  ): Effect.fn.Return<Order, SnapshotGone | Invalid | NotFound | BrokerFailed> {
    const look = yield* lookOf(queue, given.snapshot)
    yield* checkedIds(look, [given.letter])
    const { letter } = yield* find(look, given.letter)
    const checked = edits.edited(settings.contract, letter, given.payload)
    if (Result.isFailure(checked)) {
      return yield* new Invalid({ issues: checked.failure, message: "The payload does not match its schema" })
    }
    const selection = { ids: [letter.id] }
    return yield* order(queue, {
      kind: "edit",
      title: selections.describe(queue, selection, look),
      selection,
      expected: 1,
      command: selections.command("edit", queue, selection, ["--payload", given.payload]),
      run: (job) =>
        Effect.gen(function* () {
          const waiting = (yield* queues.deadLetters(queue)) ?? 0
          yield* changing(
            job,
            bus.deadLetters(queue).edit(letter.id, checked.success, typeIn(settings.contract, letter))
          )
          job.keep(letter)
          job.sent.add(letter)
          return { waiting, done: 1, skipped: 0, failed: 0, failure: undefined } satisfies ReplayResult
        })
    })
  })

  const editAll = Effect.fnUntraced(function* (
    queue: string,
    given: {
      readonly selection: Selection
      readonly snapshot: string
      readonly changes: ReadonlyArray<Change>
      readonly keep?: boolean | undefined
      readonly rate?: number | undefined
    }
  ): Effect.fn.Return<Order, SnapshotGone | Invalid | ExportFirst> {
    const { changes, keep = false } = given
    const rate = yield* checkedRate(given.rate)
    if (changes.length === 0) return yield* invalid("There is no change to make")
    const look = yield* lookOf(queue, given.snapshot)
    const { indexes, seen, selection } = yield* seenIn(look, given.selection)
    yield* checkedKept(look, indexes, "a download")
    const places = changes.map(({ pointer }) => pointer).join(", ")
    return yield* order(queue, {
      kind: "edit",
      title: `${selections.describe(queue, selection, look)}: ${places}`,
      selection,
      expected: seen.length,
      changes,
      keep,
      rate,
      command: undefined,
      run: (job) =>
        changing(
          job,
          bus.deadLetters(queue).editAll(bulkEdits.edit(settings.contract, changes, keep), {
            where: exactly(seen),
            keep,
            rate,
            onProgress: counting(job),
            onFailed: refusing(job),
            onTaken: (letter) =>
              Effect.sync(() => {
                job.keep(letter)
                if (!keep) job.sent.add(letter)
              })
          })
        ).pipe(missing(job, seen))
    })
  })

  const checkEditAll = Effect.fnUntraced(function* (
    queue: string,
    given: {
      readonly selection: Selection
      readonly snapshot: string
      readonly letter: string
      readonly payload: string
    }
  ): Effect.fn.Return<typeof JobModel.EditAllCheck.Type, SnapshotGone | Invalid | NotFound | BrokerFailed> {
    const look = yield* lookOf(queue, given.snapshot)
    const { seen } = yield* seenIn(look, given.selection)
    const { letter } = yield* find(look, given.letter)
    return yield* bulkEdits.check(settings.contract, queue, seen, letter, given.payload)
  })

  /** Puts dead letters into their queue, one after the other, and tells of each. */
  const put = (job: Job, queue: string, letters: ReadonlyArray<DeadLetter>, onPut: () => void = () => {}) => {
    let done = 0
    const tally = (failure?: PublishError): ReplayResult => ({
      waiting: letters.length,
      done,
      skipped: 0,
      failed: failure === undefined ? 0 : 1,
      failure
    })
    return Effect.forEach(
      letters,
      (letter) =>
        Effect.uninterruptible(
          Effect.flatMap(bus.deadLetters(queue).put(letter), () => {
            done++
            onPut()
            return counting(job)(tally())
          })
        ),
      { discard: true }
    ).pipe(
      Effect.as(undefined),
      Effect.tapError((error) => counting(job)(tally(error))),
      Effect.map(() => tally())
    )
  }

  return {
    lookOf,
    find,
    replay,
    discard,
    edit,
    editAll,
    checkEditAll,
    import: Effect.fnUntraced(function* (queue: string, ndjson: string): Effect.fn.Return<Order, Invalid> {
      const { issues, letters } = edits.parse(ndjson)
      if (issues.length > 0)
        return yield* new Invalid({ issues, message: "Not every line is a dead letter: nothing was imported" })
      if (letters.length === 0) return yield* invalid("There is no dead letter in it")
      return yield* order(queue, {
        kind: "import",
        title: `${letters.length} dead letters into "${queue}"`,
        selection: { ids: letters.slice(0, maxKept).map(({ id }) => id) },
        expected: letters.length,
        command: selections.command("import", queue, {}, ["dead-letters.ndjson"]),
        run: (job) => put(job, queue, letters)
      })
    }),
    undo: (discarded: Job) => {
      const { kept, order: of } = discarded
      return order(of.queue, {
        kind: "undo",
        title: `the discard of ${of.title}`,
        selection: { ids: kept.map(({ id }) => id) },
        expected: kept.length,
        command: selections.command("import", of.queue, {}, ["dead-letters.ndjson"]),
        run: (job) =>
          Effect.ensuring(
            put(job, of.queue, kept, () => discarded.givenBack()),
            Effect.sync(() => discarded.endUndo())
          )
      })
    }
  }
})
