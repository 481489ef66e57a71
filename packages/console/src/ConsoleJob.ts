/**
 * Jobs on dead letters and what they are asked to do, as both sides of the console see
 * them. Times are milliseconds since 1970.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"
import { Issue } from "./ConsoleError.ts"
import { Summary } from "./ConsoleModel.ts"

const Count = Schema.Int
const Millis = Schema.Finite
const Text = Schema.optional(Schema.String)

/**
 * A selection of dead letters: all criteria must match. Without any, `all` must be true.
 *
 * @category models
 * @since 0.1.0
 */
export const Selection = Schema.Struct({
  ids: Schema.optional(Schema.Array(Schema.String)),
  fingerprint: Text,
  type: Text,
  reason: Text,
  key: Text,
  /** A text in the body or in the error's message. */
  text: Text,
  olderThan: Schema.optional(Millis),
  newerThan: Schema.optional(Millis),
  all: Schema.optional(Schema.Boolean)
})

/**
 * A reason why dead letters stay where they are, and how many have it.
 *
 * @category models
 * @since 0.1.0
 */
export const Refusal = Schema.Struct({
  message: Schema.String,
  count: Count,
  /** The id of one of them. */
  example: Text
})

/**
 * The sums of a job. `done`, `skipped` and `failed` add up to what was looked at.
 *
 * @category models
 * @since 0.1.0
 */
export const Tally = Schema.Struct({
  waiting: Count,
  done: Count,
  skipped: Count,
  failed: Count,
  failure: Text,
  /** Why dead letters stayed, the most frequent reason first. */
  refusals: Schema.Array(Refusal)
})

const pointer = Schema.String.check(Schema.isPattern(/^\//))

/**
 * A change of a payload. Its place is a JSON pointer, such as `/items/0/price`.
 *
 * @category models
 * @since 0.1.0
 */
export const Change = Schema.Union([
  /** Sets a member to a value, which is JSON text. Its object must be there, but not itself. */
  Schema.TaggedStruct("Set", { pointer, value: Schema.String }),
  /** Removes a member, where it is there. */
  Schema.TaggedStruct("Remove", { pointer }),
  /** Gives a member another name. It must be there, and none of that name. */
  Schema.TaggedStruct("Rename", { pointer, name: Schema.String })
])

/**
 * A job of the server: it goes on when the tab is closed.
 *
 * @category models
 * @since 0.1.0
 */
export const Job = Schema.Struct({
  id: Schema.String,
  kind: Schema.Literals(["replay", "discard", "edit", "import", "undo"]),
  queue: Schema.String,
  /** The selection in words, such as `all of "billing"` or `group CardDeclined (3f2a…) of "billing"`. */
  title: Schema.String,
  /** At most 20 of its ids. */
  selection: Selection,
  /** The number that it will take, as far as the snapshot told. */
  expected: Schema.optional(Count),
  /** The changes of an edit of many dead letters. */
  changes: Schema.optional(Schema.Array(Change)),
  /** Whether an edit leaves them among the dead letters, instead of a replay. */
  keep: Schema.optional(Schema.Boolean),
  /** The limit of replays per second that it was given. */
  rate: Schema.optional(Schema.Finite),
  state: Schema.Literals(["running", "done", "stopped", "failed"]),
  by: Text,
  startedAt: Millis,
  endedAt: Schema.optional(Millis),
  tally: Tally,
  /** The measured number per second over the last seconds. */
  perSecond: Schema.optional(Schema.Finite),
  /** Why it failed. */
  failure: Text,
  /** The number of dead letters that came while the job ran: of those that it sent on, or others. */
  cameBack: Schema.optional(Count),
  /** Those that it sent on and that failed again, by the latest look. */
  failedAgain: Schema.optional(Schema.Struct({ count: Count, at: Millis })),
  undo: Schema.optional(
    Schema.Struct({ count: Count, until: Millis, state: Schema.Literals(["possible", "done", "expired"]) })
  ),
  /** The command that does the same, if there is one. */
  command: Text
})

/**
 * The jobs that run and the last twenty that ended, the newest first.
 *
 * @category models
 * @since 0.1.0
 */
export const Jobs = Schema.Struct({ at: Millis, jobs: Schema.Array(Job) })

/**
 * The effect that an edit would have.
 *
 * @category models
 * @since 0.1.0
 */
export const EditCheck = Schema.Struct({
  hasSchema: Schema.Boolean,
  /** Empty where it may go out. */
  issues: Schema.Array(Issue),
  /** Both payloads, formatted alike, for a comparison. */
  before: Schema.String,
  after: Schema.String
})

/**
 * The effect that an edit of many dead letters would have. Its changes are those that make
 * the payload of one of them the given one.
 *
 * @category models
 * @since 0.1.0
 */
export const EditAllCheck = Schema.Struct({
  changes: Schema.Array(
    Schema.Struct({
      change: Change,
      /** The JSON text that the one has at its place, if it has any. */
      before: Text,
      /** The number of dead letters that have another value there. */
      others: Count,
      /** One of these values, as JSON text. */
      other: Text,
      /** The number of those that have nothing there. */
      absent: Count
    })
  ),
  /** The problems of the given payload itself. */
  issues: Schema.Array(Issue),
  hasSchema: Schema.Boolean,
  /** The number of all dead letters that are selected. */
  count: Count,
  accepted: Count,
  /** The number of those, among the accepted ones, in which nothing changes. */
  unchanged: Count,
  /** The number of those whose bodies the look has not kept. The job checks them. */
  unchecked: Count,
  refusals: Schema.Array(Refusal),
  /** Both payloads of the one, formatted alike, for a comparison. */
  before: Schema.String,
  after: Schema.String
})

/**
 * The effect that an import would have.
 *
 * @category models
 * @since 0.1.0
 */
export const ImportCheck = Schema.Struct({
  count: Count,
  bytes: Count,
  issues: Schema.Array(Issue),
  /** The first five. */
  preview: Schema.Array(Summary),
  /**
   * Those whose ids the latest look has already, and the first five of these ids. Absent
   * where none is kept, or a job has changed the queue since.
   */
  there: Schema.optional(Schema.Struct({ count: Count, ids: Schema.Array(Schema.String), at: Millis }))
})
