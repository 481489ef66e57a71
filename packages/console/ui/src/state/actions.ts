/** What a person can do. Each answer of the server is a job, which is shown at once. */
import * as Effect from "effect/Effect"
import type { Change, Job, Selection } from "../../../src/ConsoleJob.ts"
import { Client, run } from "./client.ts"
import { addJobs } from "./live.ts"

type Choice = typeof Selection.Type

const started = <E>(effect: Effect.Effect<typeof Job.Type, E, Client>): Promise<typeof Job.Type> =>
  run(Effect.tap(effect, (job) => Effect.sync(() => addJobs([job]))))

/** Replays a selection to its queue. */
export const replay = (queue: string, selection: Choice, snapshot: string, rate: number | undefined) =>
  started(
    Client.use((client) =>
      client.jobs.replay({
        params: { queue },
        payload: { selection, snapshot, ...(rate === undefined ? {} : { rate }) }
      })
    )
  )

/** Discards a selection. */
export const discard = (queue: string, selection: Choice, snapshot: string) =>
  started(Client.use((client) => client.jobs.discard({ params: { queue }, payload: { selection, snapshot } })))

/** Replays a dead letter with another payload. */
export const edit = (queue: string, snapshot: string, letter: string, payload: string) =>
  started(Client.use((client) => client.jobs.edit({ params: { queue }, payload: { snapshot, letter, payload } })))

/** Makes the same changes to a selection, and replays it, or keeps it among the dead letters. */
export const editAll = (
  queue: string,
  given: {
    readonly selection: Choice
    readonly snapshot: string
    readonly changes: ReadonlyArray<typeof Change.Type>
    readonly keep: boolean
    readonly rate: number | undefined
  }
) => {
  const { rate, ...payload } = given
  return started(
    Client.use((client) =>
      client.jobs.editAll({ params: { queue }, payload: rate === undefined ? payload : { ...payload, rate } })
    )
  )
}

/** Checks lines of NDJSON before an import. */
export const checkImport = (queue: string, ndjson: string) =>
  run(Client.use((client) => client.jobs.checkImport({ params: { queue }, payload: { ndjson } })))

/** Puts dead letters back from NDJSON. */
export const importLines = (queue: string, ndjson: string) =>
  started(Client.use((client) => client.jobs.import({ params: { queue }, payload: { ndjson } })))

/** Stops a job between two dead letters. */
export const stop = (id: string) => started(Client.use((client) => client.jobs.stop({ params: { id } })))

/** Puts back the dead letters that a job discarded. */
export const undo = (id: string) => started(Client.use((client) => client.jobs.undo({ params: { id } })))

/** Pauses the subscriptions of a queue. */
export const pause = (queue: string) =>
  run(Client.use((client) => client.bus.pause({ params: { queue }, payload: {} })))

/** Resumes the subscriptions of a queue. */
export const resume = (queue: string) =>
  run(Client.use((client) => client.bus.resume({ params: { queue }, payload: {} })))

/** Puts parked events back into the outbox. */
export const requeue = (id: string | undefined) =>
  run(Client.use((client) => client.inspect.requeue({ payload: id === undefined ? { all: true } : { id } })))

/** Cancels a scheduled event. */
export const cancel = (id: string) => run(Client.use((client) => client.inspect.cancel({ params: { id } })))
