/**
 * The interface between the console's page and its server. Both are made of this one
 * value, and so can a client of your own.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as ConsoleError from "./ConsoleError.ts"
import * as Inspection from "./ConsoleInspection.ts"
import * as JobModel from "./ConsoleJob.ts"
import * as Model from "./ConsoleModel.ts"
import { header as own } from "./internal/header.ts"

/**
 * The header that every request of the page has, and that a page of another site cannot
 * send. Its value is `1`.
 *
 * @category constants
 * @since 0.1.0
 */
export const header = own

/**
 * The largest number of dead letters in a page.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxPage = 500

/**
 * Whether an endpoint changes something, so that a read-only console refuses it. Default:
 * every endpoint but `GET` does.
 *
 * @category annotations
 * @since 0.1.0
 */
export const Changes = Context.Reference<boolean | undefined>("@effect-eventbus/console/Changes", {
  defaultValue: () => undefined
})

/**
 * Whether an endpoint gives bodies away, so that a console that hides bodies refuses it.
 *
 * @category annotations
 * @since 0.1.0
 */
export const ShowsBodies = Context.Reference<boolean>("@effect-eventbus/console/ShowsBodies", {
  defaultValue: () => false
})

/**
 * The check of each request: who asks, from which page, and whether this console does it.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Guard extends HttpApiMiddleware.Service<Guard>()("@effect-eventbus/console/Guard", {
  error: [ConsoleError.Unauthorized, ConsoleError.Refused]
}) {}

const queue = { queue: Schema.String }
const id = { id: Schema.String }
const Number = Schema.FiniteFromString

/** A filter in a query. Its texts are those of a selection. */
const filter = {
  ids: Schema.optional(Schema.String),
  fingerprint: Schema.optional(Schema.String),
  type: Schema.optional(Schema.String),
  reason: Schema.optional(Schema.String),
  key: Schema.optional(Schema.String),
  text: Schema.optional(Schema.String),
  olderThan: Schema.optional(Number),
  newerThan: Schema.optional(Number)
}

/**
 * A message of the one stream that a tab has.
 *
 * @category models
 * @since 0.1.0
 */
export const Live = Schema.Union([
  Schema.TaggedStruct("Pulse", { pulse: Model.Pulse }),
  /** All jobs at first, then each that has changed. */
  Schema.TaggedStruct("Jobs", { jobs: Schema.Array(JobModel.Job) }),
  Schema.TaggedStruct("Tail", {
    events: Schema.Array(Inspection.Tailed),
    /** The number of events that were left out since the last message. */
    omitted: Schema.Int
  }),
  Schema.TaggedStruct("Trace", { trace: Inspection.Trace }),
  /** The tail or the trace ended. The rest of the stream goes on. */
  Schema.TaggedStruct("Ended", { what: Schema.Literals(["tail", "trace"]), message: Schema.String })
])

/**
 * The session, and the one live stream of a tab.
 *
 * @category groups
 * @since 0.1.0
 */
export class Bus extends HttpApiGroup.make("bus")
  .add(
    HttpApiEndpoint.get("session", "/session", { success: Model.Session }),
    HttpApiEndpoint.get("pulse", "/pulse", { success: Model.Pulse }),
    HttpApiEndpoint.get("live", "/live", {
      query: {
        /** The pattern of routing keys to follow. */
        tail: Schema.optional(Schema.String),
        /** The trace to follow. */
        trace: Schema.optional(Schema.String),
        /** The queue whose dead letters of the trace are shown as well. Default: all known queues. */
        queue: Schema.optional(Schema.String)
      },
      success: HttpApiSchema.StreamSse({ data: Live }),
      error: [ConsoleError.Invalid]
    }),
    HttpApiEndpoint.get("queue", "/queues/:queue", {
      params: queue,
      success: Model.QueueDetail,
      error: [ConsoleError.NotFound, ConsoleError.BrokerFailed]
    }),
    HttpApiEndpoint.post("pause", "/queues/:queue/pause", {
      params: queue,
      payload: Schema.Struct({ forMillis: Schema.optional(Schema.Finite), by: Schema.optional(Schema.String) }),
      success: HttpApiSchema.NoContent,
      error: [ConsoleError.NotFound, ConsoleError.Invalid, ConsoleError.BrokerFailed]
    }),
    HttpApiEndpoint.post("resume", "/queues/:queue/resume", {
      params: queue,
      payload: Schema.Struct({ by: Schema.optional(Schema.String) }),
      success: HttpApiSchema.NoContent,
      error: [ConsoleError.NotFound, ConsoleError.Invalid, ConsoleError.BrokerFailed]
    })
  )
  .middleware(Guard) {}

/**
 * Looks at dead letters.
 *
 * @category groups
 * @since 0.1.0
 */
export class DeadLetters extends HttpApiGroup.make("deadLetters")
  .add(
    /** Looks, or returns the look that is kept. */
    HttpApiEndpoint.post("look", "/queues/:queue/look", {
      params: queue,
      payload: Schema.Struct({
        /** Looks even where a look is kept. */
        again: Schema.optional(Schema.Boolean)
      }),
      success: Model.Snapshot,
      error: [ConsoleError.NotFound, ConsoleError.Invalid, ConsoleError.Busy, ConsoleError.BrokerFailed]
    }).annotate(Changes, false),
    HttpApiEndpoint.get("snapshot", "/snapshots/:id", {
      params: id,
      success: Model.Snapshot,
      error: [ConsoleError.SnapshotGone]
    }),
    HttpApiEndpoint.get("page", "/snapshots/:id/dead-letters", {
      params: id,
      query: {
        ...filter,
        offset: Schema.optional(Number),
        /** Default and most: 500. */
        limit: Schema.optional(Number),
        order: Schema.optional(Schema.Literals(["oldest", "newest"]))
      },
      success: Model.Page,
      error: [ConsoleError.SnapshotGone, ConsoleError.Invalid]
    }),
    HttpApiEndpoint.get("deadLetter", "/snapshots/:id/dead-letter", {
      params: id,
      query: { letter: Schema.String },
      success: Model.DeadLetter,
      error: [ConsoleError.SnapshotGone, ConsoleError.NotFound, ConsoleError.BrokerFailed]
    }),
    /** NDJSON, which `import` takes back. */
    HttpApiEndpoint.get("export", "/snapshots/:id/export", {
      params: id,
      query: filter,
      success: HttpApiSchema.StreamUint8Array({ contentType: "application/x-ndjson" }),
      error: [ConsoleError.SnapshotGone, ConsoleError.Invalid]
    }).annotate(ShowsBodies, true)
  )
  .middleware(Guard) {}

const jobErrors = [
  ConsoleError.NotFound,
  ConsoleError.Invalid,
  ConsoleError.Busy,
  ConsoleError.SnapshotGone,
  ConsoleError.BrokerFailed
] as const

/**
 * Jobs of the server on dead letters, one a queue at a time.
 *
 * @category groups
 * @since 0.1.0
 */
export class JobGroup extends HttpApiGroup.make("jobs")
  .add(
    HttpApiEndpoint.get("jobs", "/jobs", { success: JobModel.Jobs }),
    HttpApiEndpoint.get("job", "/jobs/:id", { params: id, success: JobModel.Job, error: [ConsoleError.NotFound] }),
    HttpApiEndpoint.post("replay", "/queues/:queue/replay", {
      params: queue,
      payload: Schema.Struct({
        selection: JobModel.Selection,
        /** The snapshot that the selection was made in. Only what it shows is replayed, unless all are. */
        snapshot: Schema.optional(Schema.String),
        /** The most replays per second. */
        rate: Schema.optional(Schema.Finite)
      }),
      success: JobModel.Job,
      error: jobErrors
    }),
    HttpApiEndpoint.post("discard", "/queues/:queue/discard", {
      params: queue,
      payload: Schema.Struct({ selection: JobModel.Selection, snapshot: Schema.String }),
      success: JobModel.Job,
      error: [...jobErrors, ConsoleError.ExportFirst]
    }),
    HttpApiEndpoint.post("checkEdit", "/queues/:queue/check-edit", {
      params: queue,
      payload: Schema.Struct({
        snapshot: Schema.String,
        letter: Schema.String,
        /** The JSON text of the new payload. */
        payload: Schema.String
      }),
      success: JobModel.EditCheck,
      error: [ConsoleError.NotFound, ConsoleError.SnapshotGone]
    })
      .annotate(Changes, false)
      .annotate(ShowsBodies, true),
    HttpApiEndpoint.post("edit", "/queues/:queue/edit", {
      params: queue,
      payload: Schema.Struct({
        snapshot: Schema.String,
        letter: Schema.String,
        /** The JSON text of the new payload. */
        payload: Schema.String
      }),
      success: JobModel.Job,
      error: jobErrors
    }).annotate(ShowsBodies, true),
    /** Tells what becomes of the selected dead letters by the changes that make the payload of one of them the given one. */
    HttpApiEndpoint.post("checkEditAll", "/queues/:queue/check-edit-all", {
      params: queue,
      payload: Schema.Struct({
        selection: JobModel.Selection,
        snapshot: Schema.String,
        letter: Schema.String,
        /** The JSON text of its new payload. */
        payload: Schema.String
      }),
      success: JobModel.EditAllCheck,
      error: [ConsoleError.NotFound, ConsoleError.Invalid, ConsoleError.SnapshotGone, ConsoleError.BrokerFailed]
    })
      .annotate(Changes, false)
      .annotate(ShowsBodies, true),
    /** Makes the same changes to all selected dead letters, and replays them. */
    HttpApiEndpoint.post("editAll", "/queues/:queue/edit-all", {
      params: queue,
      payload: Schema.Struct({
        selection: JobModel.Selection,
        snapshot: Schema.String,
        changes: Schema.Array(JobModel.Change),
        /** Leaves them among the dead letters instead, at their end. */
        keep: Schema.optional(Schema.Boolean),
        /** The most replays per second. */
        rate: Schema.optional(Schema.Finite)
      }),
      success: JobModel.Job,
      error: [...jobErrors, ConsoleError.ExportFirst]
    }).annotate(ShowsBodies, true),
    HttpApiEndpoint.post("checkImport", "/queues/:queue/check-import", {
      params: queue,
      payload: Schema.Struct({ ndjson: Schema.String }),
      success: JobModel.ImportCheck,
      error: [ConsoleError.NotFound, ConsoleError.Invalid]
    }).annotate(Changes, false),
    HttpApiEndpoint.post("import", "/queues/:queue/import", {
      params: queue,
      payload: Schema.Struct({ ndjson: Schema.String }),
      success: JobModel.Job,
      error: jobErrors
    }),
    HttpApiEndpoint.post("stop", "/jobs/:id/stop", {
      params: id,
      success: JobModel.Job,
      error: [ConsoleError.NotFound]
    }),
    HttpApiEndpoint.post("undo", "/jobs/:id/undo", {
      params: id,
      success: JobModel.Job,
      error: [ConsoleError.NotFound, ConsoleError.Invalid, ConsoleError.Busy]
    }),
    /** The dead letters that an edit or a discard took away, as NDJSON. */
    HttpApiEndpoint.get("kept", "/jobs/:id/kept", {
      params: id,
      success: HttpApiSchema.StreamUint8Array({ contentType: "application/x-ndjson" }),
      error: [ConsoleError.NotFound]
    }).annotate(ShowsBodies, true)
  )
  .middleware(Guard) {}

/**
 * Topology, contracts, checks, outbox and schedule.
 *
 * @category groups
 * @since 0.1.0
 */
export class Inspect extends HttpApiGroup.make("inspect")
  .add(
    HttpApiEndpoint.get("topology", "/topology", {
      success: Inspection.Topology,
      error: [ConsoleError.NotAvailable, ConsoleError.BrokerFailed]
    }),
    HttpApiEndpoint.get("explain", "/explain", {
      query: { key: Schema.String },
      success: Inspection.Explanation,
      error: [ConsoleError.NotAvailable, ConsoleError.Invalid]
    }),
    HttpApiEndpoint.get("contracts", "/contracts", {
      success: Inspection.Contracts,
      error: [ConsoleError.NotAvailable]
    }),
    HttpApiEndpoint.get("doctor", "/doctor", {
      success: Inspection.Diagnosis,
      error: [ConsoleError.NotAvailable, ConsoleError.BrokerFailed]
    }),
    HttpApiEndpoint.get("outbox", "/outbox", {
      success: Inspection.Outbox,
      error: [ConsoleError.NotAvailable, ConsoleError.BrokerFailed]
    }),
    /** Puts parked events back into the outbox: one, or all. */
    HttpApiEndpoint.post("requeue", "/outbox/requeue", {
      payload: Schema.Struct({ id: Schema.optional(Schema.String), all: Schema.optional(Schema.Boolean) }),
      success: Schema.Struct({ requeued: Schema.Int }),
      error: [ConsoleError.NotAvailable, ConsoleError.Invalid, ConsoleError.BrokerFailed]
    }),
    HttpApiEndpoint.get("schedule", "/schedule", {
      success: Inspection.Schedule,
      error: [ConsoleError.NotAvailable, ConsoleError.BrokerFailed]
    }),
    HttpApiEndpoint.post("cancel", "/schedule/:id/cancel", {
      params: id,
      success: HttpApiSchema.NoContent,
      error: [ConsoleError.NotAvailable, ConsoleError.NotFound, ConsoleError.BrokerFailed]
    })
  )
  .middleware(Guard) {}

/**
 * The API of the console, below `api/`.
 *
 * @category apis
 * @since 0.1.0
 */
export class ConsoleApi extends HttpApi.make("console").add(Bus, DeadLetters, JobGroup, Inspect).prefix("/api") {}
