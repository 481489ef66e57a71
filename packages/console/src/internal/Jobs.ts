/**
 * The jobs of the server, one a queue at a time. They go on when the tab is closed, and
 * stop between two dead letters.
 *
 * @internal
 */

import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { ReplayResult } from "effect-eventbus/DeadLetters"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Busy, Invalid, NotFound } from "../ConsoleError.ts"
import type * as JobModel from "../ConsoleJob.ts"
import type { Look } from "./Looks.ts"
import { Refusals } from "./Refusals.ts"
import { Sent } from "./Sent.ts"

type Selection = typeof JobModel.Selection.Type
export type Kind = (typeof JobModel.Job.Type)["kind"]

/** The task of a job. */
export interface Order {
  readonly kind: Kind
  readonly queue: string
  readonly title: string
  readonly selection: Selection
  readonly expected: number | undefined
  readonly rate: number | undefined
  readonly by: string | undefined
  readonly command: string | undefined
  /** The changes of an edit of many dead letters, and whether these stay among the others. */
  readonly changes?: ReadonlyArray<typeof JobModel.Change.Type> | undefined
  readonly keep?: boolean | undefined
  readonly run: (job: Job) => Effect.Effect<ReplayResult, { readonly message: string }>
  /** Counts the dead letters of the queue, before and after. */
  readonly count: Effect.Effect<number | undefined>
}

/** The most dead letters that are kept for an undo, and their bytes. */
export const maxKept = 1000
export const maxKeptBytes = 16 * 1024 * 1024
const keptFor = 10 * 60_000
/** Of all jobs. */
const maxKeptInAll = 64 * 1024 * 1024
const maxEnded = 20
/** The time over which the rate is measured, in milliseconds. */
const measured = 5000
const none: ReplayResult = { waiting: 0, done: 0, skipped: 0, failed: 0, failure: undefined }

const bytesOf = ({ envelope }: DeadLetter): number => envelope.body.length

/** A page is told of a long list only how long it is, in the title. */
const maxIds = 20

const shortened = ({ ids, ...rest }: Selection): Selection =>
  ids === undefined ? rest : { ...rest, ids: ids.slice(0, maxIds) }

/** A job and its sums. */
export class Job {
  readonly id = crypto.randomUUID()
  readonly order: Order
  readonly startedAt: number
  /** Grows with each change of any job. */
  version = 0
  state: (typeof JobModel.Job.Type)["state"] = "running"
  endedAt: number | undefined
  tally: ReplayResult = none
  failure: string | undefined
  readonly refusals = new Refusals()
  cameBack: number | undefined
  readonly sent = new Sent()
  /** The dead letters that it took away, for an undo or a download. */
  kept: Array<DeadLetter> = []
  keptBytes = 0
  undone: "possible" | "done" | "expired" = "expired"
  fiber: Fiber.Fiber<void> | undefined
  private samples: Array<readonly [time: number, done: number]> = []
  private readonly changed: (job: Job) => void

  constructor(order: Order, startedAt: number, changed: (job: Job) => void) {
    this.order = order
    this.startedAt = startedAt
    this.changed = changed
  }

  /** Keeps a dead letter, unless there are too many. */
  keep(letter: DeadLetter): void {
    this.keptBytes += bytesOf(letter)
    if (this.kept.length < maxKept && this.keptBytes <= maxKeptBytes) this.kept.push(letter)
    else this.forget()
  }

  forget(): void {
    this.kept = []
    this.keptBytes = Infinity
    if (this.undone === "possible") this.undone = "expired"
  }

  /** Forgets the first dead letter that it keeps, which is back among those of the queue. */
  givenBack(): void {
    this.kept = this.kept.slice(1)
  }

  /** Ends an undo. What it did not put back, another one can. */
  endUndo(): void {
    if (this.undone === "possible" && this.kept.length === 0) this.undone = "done"
    this.changed(this)
  }

  count(tally: ReplayResult, now: number): void {
    this.tally = tally
    this.changed(this)
    const [last = 0] = this.samples.at(-1) ?? []
    if (now - last < 200) return
    this.samples.push([now, tally.done])
    this.samples = this.samples.filter(([time]) => time >= now - measured)
  }

  private perSecond(): number | undefined {
    const end = this.endedAt
    if (end !== undefined) return end > this.startedAt ? (this.tally.done * 1000) / (end - this.startedAt) : undefined
    const [from, to] = [this.samples[0], this.samples.at(-1)]
    return from === undefined || to === undefined || to[0] <= from[0]
      ? undefined
      : ((to[1] - from[1]) * 1000) / (to[0] - from[0])
  }

  get model(): typeof JobModel.Job.Type {
    const { changes, command, by, expected, keep, kind, queue, rate, selection, title } = this.order
    const { done, failed, failure, skipped, waiting } = this.tally
    const hasUndo =
      kind === "discard" && this.endedAt !== undefined && (this.undone !== "expired" || this.keptBytes > 0)
    return {
      id: this.id,
      kind,
      queue,
      title,
      selection: shortened(selection),
      expected,
      changes,
      keep,
      rate,
      state: this.state,
      by,
      startedAt: this.startedAt,
      endedAt: this.endedAt,
      tally: { waiting, done, skipped, failed, failure: failure?.message, refusals: this.refusals.model },
      perSecond: this.perSecond(),
      failure: this.failure,
      cameBack: this.cameBack,
      failedAgain: this.sent.back,
      undo: hasUndo ? { count: this.kept.length, until: (this.endedAt ?? 0) + keptFor, state: this.undone } : undefined,
      command
    }
  }
}

export interface Jobs {
  readonly all: Effect.Effect<ReadonlyArray<Job>>
  readonly get: (id: string) => Effect.Effect<Job, NotFound>
  readonly check: (queue: string) => Effect.Effect<void, Busy>
  readonly start: (order: Order) => Effect.Effect<Job, Busy>
  /** Learns from a look which of the dead letters that jobs sent on are back. */
  readonly compare: (look: Look) => Effect.Effect<void>
  readonly stop: (id: string) => Effect.Effect<Job, NotFound>
  /** Returns a job that keeps dead letters, for an undo. */
  readonly undoable: (id: string) => Effect.Effect<Job, NotFound | Invalid>
  /** Streams all jobs at first, and then those that have changed: four times a second at most, but an end at once. */
  readonly changes: Stream.Stream<ReadonlyArray<Job>>
}

const audited = ({ order, state, tally: { done, failed, skipped } }: Job, failure: string | undefined) =>
  Effect.annotateLogs(
    Effect.logInfo(
      `Console: ${order.kind} of ${order.title} ${state === "done" ? "ended" : state}: ${done} done, ${skipped} skipped, ${failed} failed${failure === undefined ? "" : `: ${failure}`}`
    ),
    { queue: order.queue, by: order.by ?? "unknown" }
  )

export const make: Effect.Effect<Jobs, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  /** The oldest first. */
  let jobs: Array<Job> = []
  let version = 0
  const listeners = new Set<{ readonly changes: Queue.Queue<void>; readonly ends: Queue.Queue<void> }>()

  const isRunning = ({ state }: Job) => state === "running"

  const changed = (job: Job) => {
    job.version = ++version
    for (const { changes, ends } of listeners) {
      Queue.offerUnsafe(changes, undefined)
      if (!isRunning(job)) Queue.offerUnsafe(ends, undefined)
    }
  }

  /** Forgets what is too old or too much. */
  const forget = (now: number) => {
    const ended = jobs.filter((job) => !isRunning(job))
    for (const job of ended) {
      if (now - (job.endedAt ?? now) <= keptFor || job.kept.length === 0) continue
      job.forget()
      changed(job)
    }
    const gone = new Set(ended.slice(0, Math.max(0, ended.length - maxEnded)))
    jobs = jobs.filter((job) => !gone.has(job))
    let bytes = 0
    for (const job of jobs.toReversed()) {
      bytes += job.kept.reduce((sum, letter) => sum + bytesOf(letter), 0)
      if (bytes > maxKeptInAll && !isRunning(job)) job.forget()
    }
  }
  yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.map(Clock.currentTimeMillis, forget), "1 minute")))

  const busy = (queue: string) => jobs.find((job) => isRunning(job) && job.order.queue === queue)

  const check: Jobs["check"] = (queue) =>
    Effect.suspend(() => {
      const job = busy(queue)
      if (job === undefined) return Effect.void
      const message = `A ${job.order.kind} runs on "${queue}": wait for its end, or stop it`
      return Effect.fail(new Busy({ queue, job: job.id, message }))
    })

  const get: Jobs["get"] = (id) =>
    Effect.suspend(() => {
      const job = jobs.find((job) => job.id === id)
      if (job !== undefined) return Effect.succeed(job)
      return Effect.fail(
        new NotFound({ what: "job", name: id, similar: [], message: "This job is no longer kept: the last 20 are" })
      )
    })

  const run = (job: Job) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.interruptible(job.order.run(job)))
      if (Exit.isSuccess(exit)) job.tally = exit.value
      const isStopped = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
      job.state = Exit.isSuccess(exit) ? "done" : isStopped ? "stopped" : "failed"
      if (Exit.isFailure(exit) && !isStopped) {
        const error = Cause.squash(exit.cause)
        job.failure = error instanceof Error ? error.message : String(error)
      }
      job.endedAt = yield* Clock.currentTimeMillis
      if (job.kept.length > 0 && job.order.kind === "discard") job.undone = "possible"
      forget(job.endedAt)
      changed(job)
      const { done, failed, skipped } = job.tally
      yield* audited(job, job.failure)
      yield* Effect.annotateCurrentSpan({ done, failed, skipped, state: job.state })
    }).pipe(
      // It is counted and on record, however it ends.
      Effect.uninterruptible
    )

  /** Finds out how many dead letters came while the job ran. */
  const lookBack = Effect.fnUntraced(function* (job: Job) {
    if ((job.order.kind !== "replay" && job.order.kind !== "edit") || job.order.keep === true) return
    // A look that begins in the meantime holds the dead letters back, so that they cannot be counted.
    const after = yield* Effect.repeat(Effect.delay(job.order.count, "3 seconds"), {
      until: (count) => count !== undefined,
      times: 20
    })
    if (after === undefined) return
    const { done, waiting } = job.tally
    if (waiting === 0) return
    job.cameBack = Math.max(0, after - Math.max(0, waiting - done))
    changed(job)
  })

  const start: Jobs["start"] = Effect.fnUntraced(function* (order) {
    yield* check(order.queue)
    const job = new Job(order, yield* Clock.currentTimeMillis, changed)
    jobs.push(job)
    changed(job)
    const { by = "unknown", kind, queue, title } = order
    job.fiber = yield* Effect.forkIn(
      Effect.andThen(
        Effect.withSpan(run(job), `console.${kind}`, { attributes: { queue, title, by }, captureStackTrace: false }),
        lookBack(job)
      ),
      scope
    )
    return job
  })

  return {
    all: Effect.sync(() => jobs.toReversed()),
    get,
    check,
    start,
    compare: (look) =>
      Effect.sync(() => {
        for (const job of jobs) {
          const isBefore = job.order.queue === look.queue && (job.endedAt ?? Infinity) <= look.takenAt
          if (isBefore && job.sent.compare(look)) changed(job)
        }
      }),
    stop: Effect.fnUntraced(function* (id) {
      const job = yield* get(id)
      if (isRunning(job) && job.fiber !== undefined) yield* Fiber.interrupt(job.fiber)
      return job
    }),
    undoable: Effect.fnUntraced(function* (id) {
      const job = yield* get(id)
      forget(yield* Clock.currentTimeMillis)
      if (job.undone === "possible") return job
      const why =
        job.undone === "done" ? "It was undone already" : "It can no longer be undone: import an export instead"
      return yield* new Invalid({ issues: [], message: why })
    }),
    changes: Stream.unwrap(
      Effect.gen(function* () {
        const listener = { changes: yield* Queue.sliding<void>(1), ends: yield* Queue.sliding<void>(1) }
        yield* Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        )
        Queue.offerUnsafe(listener.changes, undefined)
        let seen = -1
        const next = Effect.map(Queue.take(listener.changes), () => {
          const news = jobs.filter((job) => job.version > seen).toReversed()
          seen = version
          return news
        })
        const pause = Effect.timeoutOption(Queue.take(listener.ends), "250 millis")
        return Stream.concat(Stream.fromEffect(next), Stream.fromEffectRepeat(Effect.andThen(pause, next)))
      })
    )
  }
})
