/** Two queues of jobs in PostgreSQL, used as an outbox: each job publishes an event, and is done when that is confirmed. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Graphile from "graphile-worker"
import { PgBoss } from "pg-boss"

export interface Jobs {
  readonly fill: Effect.Effect<void>
  /** Works until all jobs are done. */
  readonly work: Effect.Effect<void>
}

export interface Options {
  readonly url: string
  readonly schema: string
  readonly bodies: ReadonlyArray<string>
  readonly publish: (body: string) => Promise<void>
}

const latch = (count: number) => {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  let left = count
  return {
    done: promise,
    countDown: (by: number) => {
      left -= by
      if (left <= 0) resolve()
    }
  }
}

const silent = new Graphile.Logger(() => () => {})

const bodyOf = (payload: unknown): string =>
  Predicate.hasProperty(payload, "body") && typeof payload.body === "string" ? payload.body : ""

/** graphile-worker for the most jobs a second: a local queue, and completion in batches. */
const fastest = {
  maxPoolSize: 20,
  concurrentJobs: 64,
  pollInterval: 50,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0
}

/** graphile-worker with its own defaults, or set for the most jobs a second. */
export const graphile = Effect.fnUntraced(function* (
  { bodies, publish, schema, url }: Options,
  settings: "defaults" | "fastest"
): Effect.fn.Return<Jobs, never, Scope.Scope> {
  const utils = yield* Effect.acquireRelease(
    Effect.promise(() => Graphile.makeWorkerUtils({ connectionString: url, schema, logger: silent })),
    (utils) => Effect.promise(async () => utils.release())
  )
  yield* Effect.promise(() => utils.migrate())
  const own = settings === "fastest" ? fastest : {}
  const worker = { connectionString: url, schema, logger: silent, ...own }
  return {
    fill: Effect.promise(async () => {
      await utils.addJobs(bodies.map((body) => ({ identifier: "publish", payload: { body } })))
    }),
    work: Effect.promise(async () => {
      const { countDown, done } = latch(bodies.length)
      const task = async (payload: unknown) => {
        await publish(bodyOf(payload))
        countDown(1)
      }
      const runner = await Graphile.run({ taskList: { publish: task }, noHandleSignals: true, preset: { worker } })
      await done
      await runner.stop()
    })
  }
})

/** pg-boss, set for the most jobs a second: batches of 200, two at once, without a pause between full ones. */
export const pgBoss = Effect.fnUntraced(function* ({
  bodies,
  publish,
  schema,
  url
}: Options): Effect.fn.Return<Jobs, never, Scope.Scope> {
  const queue = "outbox"
  const boss = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const boss = new PgBoss({ connectionString: url, schema, max: 20 })
      boss.on("error", () => {})
      await boss.start()
      await boss.createQueue(queue)
      return boss
    }),
    (boss) => Effect.promise(() => boss.stop({ graceful: false }))
  )
  const options = { batchSize: 200, burstWhenBatchFull: true, localConcurrency: 2, pollingIntervalSeconds: 0.5 }
  return {
    fill: Effect.promise(async () => {
      await boss.insert(
        queue,
        bodies.map((body) => ({ data: { body } }))
      )
    }),
    work: Effect.promise(async () => {
      const { countDown, done } = latch(bodies.length)
      await boss.work<{ body: string }>(queue, options, async (jobs) => {
        await Promise.all(jobs.map(({ data }) => publish(data.body)))
        countDown(jobs.length)
      })
      await done
      await boss.offWork(queue, { wait: true })
    })
  }
})
