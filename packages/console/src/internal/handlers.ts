/**
 * The answers to the requests of the page.
 *
 * @internal
 */

import * as Control from "effect-eventbus/Control"
import { EventBus, type Running } from "effect-eventbus/EventBus"
import type { PublishError } from "effect-eventbus/PublishError"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as ConsoleApi from "../ConsoleApi.ts"
import { BrokerFailed, type Invalid, NotFound } from "../ConsoleError.ts"
import type * as JobModel from "../ConsoleJob.ts"
import type * as Model from "../ConsoleModel.ts"
import { detailOf, lineOf } from "./deadLetterView.ts"
import * as edits from "./edits.ts"
import { fromBroker, invalid, orBrokerFailed } from "./errors.ts"
import * as inspections from "./inspections.ts"
import * as Jobs from "./Jobs.ts"
import * as Looks from "./Looks.ts"
import * as Orders from "./orders.ts"
import * as Queues from "./Queues.ts"
import { bodiesOf, CurrentOperator, type Settings } from "./settings.ts"
import * as tail from "./tail.ts"
import * as trace from "./trace.ts"

type Selection = typeof JobModel.Selection.Type
type Live = typeof ConsoleApi.Live.Type

const session = (settings: Settings, queues: Queues.Queues, startedAt: number, version: string) =>
  Effect.gen(function* () {
    const { name: operator, readOnly = false } = yield* CurrentOperator
    const { amqp, contract, storage } = settings
    const feature = (available: boolean, reason: string) => (available ? { available } : { available, reason })
    const hasContract = feature(contract !== undefined, inspections.reasons.contract)
    const model: typeof Model.Session.Type = {
      title: settings.title,
      version,
      broker: settings.broker,
      startedAt,
      readOnly,
      bodies: bodiesOf(settings),
      operator,
      contract: contract === undefined ? undefined : { title: contract.info.title, version: contract.info.version },
      flags: settings.flags,
      features: {
        topology: hasContract,
        explain: hasContract,
        contracts: hasContract,
        doctor: feature(amqp !== undefined, inspections.reasons.broker),
        outbox: feature(storage?.outbox !== undefined, inspections.reasons.outbox),
        schedule: feature(storage?.schedule !== undefined, inspections.reasons.schedule),
        pause: { available: true },
        rates: feature((yield* queues.handled).length > 0, inspections.reasons.rates)
      }
    }
    return model
  })

/** The number of streams that the server feeds at once. A page has one. */
const maxStreams = 64

/** Splits ids that a query lists. */
const selectionOf = ({
  ids,
  ...rest
}: Omit<Selection, "ids" | "all"> & { readonly ids?: string | undefined }): Selection => ({
  ...rest,
  ids: ids?.split(",")
})

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const checkedPattern = (pattern: string): Effect.Effect<string, Invalid> =>
  Effect.try({
    try: () => RoutingKey.checkPattern(pattern),
    catch: (error) => invalid(error instanceof Error ? error.message : String(error))
  })

export const layer = (settings: Settings, version: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const bus = yield* EventBus
      const withBus = Effect.provideService(EventBus, bus)
      const queues = yield* Queues.make(settings)
      const looks = yield* Looks.make(settings, queues)
      const jobs = yield* Jobs.make
      const orders = yield* Orders.make(settings, looks, queues)
      const startedAt = yield* Clock.currentTimeMillis
      let streams = 0

      const ended = <R>(
        what: "tail" | "trace",
        stream: Stream.Stream<Live, { readonly message: string }, R>
      ): Stream.Stream<Live, never, R> =>
        Stream.catch(stream, ({ message }) => Stream.succeed<Live>({ _tag: "Ended", what, message }))

      const live = Effect.fnUntraced(function* (query: {
        readonly tail?: string | undefined
        readonly trace?: string | undefined
        readonly queue?: string | undefined
      }) {
        const pattern = query.tail === undefined ? undefined : yield* checkedPattern(query.tail)
        const { queue, trace: id } = query
        if (id !== undefined && !uuid.test(id)) return yield* invalid("The id of a trace is a UUID")
        if (streams >= maxStreams) return yield* invalid(`The console feeds ${maxStreams} pages at once: close some`)
        const all: ReadonlyArray<Stream.Stream<Live, never, EventBus>> = [
          Stream.fromEffectSchedule(queues.pulse, Schedule.spaced("2 seconds")).pipe(
            Stream.map((pulse): Live => ({ _tag: "Pulse", pulse }))
          ),
          Stream.map(jobs.changes, (changed): Live => ({ _tag: "Jobs", jobs: changed.map(({ model }) => model) })),
          ...(pattern === undefined
            ? []
            : [
                ended(
                  "tail",
                  Stream.map(tail.batches(settings, pattern), (batch): Live => ({ _tag: "Tail", ...batch }))
                )
              ]),
          ...(id === undefined
            ? []
            : [
                ended(
                  "trace",
                  Stream.map(trace.follow(id, settings, queues, looks, queue), (trace): Live => ({
                    _tag: "Trace",
                    trace
                  }))
                )
              ])
        ]
        const counted = Effect.acquireRelease(
          Effect.sync(() => streams++),
          () => Effect.sync(() => streams--)
        )
        return Stream.unwrap(Effect.as(counted, Stream.mergeAll(all, { concurrency: "unbounded" }))).pipe(
          Stream.provideService(EventBus, bus)
        )
      })

      /** Asks all processes that run a subscription. Without `Control.layer` that is this one alone. */
      const controlled = (
        queue: string,
        ask: Effect.Effect<void, PublishError, EventBus>,
        own: (running: Running) => Effect.Effect<void>
      ) =>
        Effect.catch(withBus(ask), (error) =>
          Effect.gen(function* () {
            const { isRetryable, message, reason } = fromBroker(error)
            if (reason !== "Unroutable") return yield* new BrokerFailed({ reason, isRetryable, message })
            const here = (yield* bus.subscriptions).filter((running) => running.queue === queue)
            if (here.length > 0) return yield* Effect.forEach(here, own, { discard: true })
            return yield* new BrokerFailed({
              reason,
              isRetryable,
              message: `No process hears it: those that run "${queue}" need Control.layer`
            })
          })
        )

      const busGroup = HttpApiBuilder.group(ConsoleApi.ConsoleApi, "bus", (handlers) =>
        handlers.handleAll({
          session: () => session(settings, queues, startedAt, version),
          pulse: () => queues.pulse,
          live: ({ query }) => live(query),
          queue: ({ params: { queue } }) => Effect.andThen(queues.check(queue), orBrokerFailed(queues.detail(queue))),
          pause: Effect.fnUntraced(function* ({ params: { queue }, payload: { by, forMillis } }) {
            yield* queues.check(queue)
            if (forMillis !== undefined && !(forMillis >= 1))
              return yield* invalid("A pause lasts at least a millisecond")
            const { name } = yield* CurrentOperator
            const options = { by: by ?? name ?? "console", for: forMillis }
            yield* controlled(queue, Control.pause(queue, options), (running) => running.pause(options))
            yield* Effect.logInfo(`Console: pause of "${queue}" by ${name ?? by ?? "unknown"}`)
          }),
          resume: Effect.fnUntraced(function* ({ params: { queue }, payload: { by } }) {
            yield* queues.check(queue)
            const { name } = yield* CurrentOperator
            const options = { by: by ?? name ?? "console" }
            yield* controlled(queue, Control.resume(queue, options), (running) => running.resume)
            yield* Effect.logInfo(`Console: resume of "${queue}" by ${name ?? by ?? "unknown"}`)
          })
        })
      )

      const deadLetters = HttpApiBuilder.group(ConsoleApi.ConsoleApi, "deadLetters", (handlers) =>
        handlers.handleAll({
          look: Effect.fnUntraced(function* ({ params: { queue }, payload: { again = false } }) {
            yield* queues.check(queue)
            const free = yield* Effect.result(jobs.check(queue))
            // A job holds the dead letters, and a look would wait for it.
            const kept = again ? undefined : yield* Result.isSuccess(free) ? looks.current(queue) : looks.kept(queue)
            if (kept !== undefined) return Looks.snapshotOf(kept)
            yield* Effect.fromResult(free)
            const look = yield* orBrokerFailed(looks.look(queue, again))
            yield* jobs.compare(look)
            return Looks.snapshotOf(look)
          }),
          snapshot: ({ params: { id } }) => Effect.map(looks.get(id), Looks.snapshotOf),
          page: Effect.fnUntraced(function* ({ params: { id }, query }) {
            const { limit = ConsoleApi.maxPage, offset = 0, order = "oldest", ...filter } = query
            const look = yield* looks.get(id)
            const isWhole = (n: number) => Number.isInteger(n) && n >= 0
            if (!isWhole(offset) || !isWhole(limit) || limit > ConsoleApi.maxPage) {
              return yield* invalid(`A page has ${ConsoleApi.maxPage} dead letters at most`)
            }
            const selected = Orders.selectedIn(settings, look, selectionOf(filter), yield* Clock.currentTimeMillis)
            const ordered = order === "oldest" ? selected : selected.toReversed()
            const items = ordered.slice(offset, offset + limit).flatMap((i) => look.rows[i] ?? [])
            return { snapshot: id, offset, matching: selected.length, items }
          }),
          deadLetter: Effect.fnUntraced(function* ({ params: { id }, query }) {
            const look = yield* looks.get(id)
            const { index, letter } = yield* orders.find(look, query.letter)
            return detailOf(settings, letter, index, { snapshot: id, queue: look.queue })
          }),
          export: Effect.fnUntraced(function* ({ params: { id }, query }) {
            const look = yield* looks.get(id)
            const selected = Orders.selectedIn(settings, look, selectionOf(query), yield* Clock.currentTimeMillis)
            return Stream.fromIterable(selected).pipe(
              Stream.mapEffect((i) =>
                Effect.map(looks.whole(look, i), (letter) => {
                  if (letter === undefined) return new Uint8Array()
                  look.exported.add(i)
                  return lineOf(letter)
                })
              )
            )
          })
        })
      )

      /** Returns the look that is kept, unless a job has changed the queue since. */
      const latestLook = Effect.fnUntraced(function* (queue: string) {
        const look = yield* looks.kept(queue)
        const isOld = ({ endedAt = Infinity, order }: Jobs.Job) =>
          order.queue === queue && look !== undefined && endedAt >= look.takenAt
        return (yield* jobs.all).some(isOld) ? undefined : look
      })

      const answered = Effect.map((job: Jobs.Job) => job.model)

      const jobGroup = HttpApiBuilder.group(ConsoleApi.ConsoleApi, "jobs", (handlers) =>
        handlers.handleAll({
          jobs: Effect.fnUntraced(function* () {
            return { at: yield* Clock.currentTimeMillis, jobs: (yield* jobs.all).map(({ model }) => model) }
          }),
          job: ({ params: { id } }) => answered(jobs.get(id)),
          replay: ({ params: { queue }, payload }) =>
            Effect.andThen(queues.check(queue), orders.replay(queue, payload)).pipe(
              Effect.flatMap(jobs.start),
              answered
            ),
          discard: ({ params: { queue }, payload }) =>
            Effect.andThen(queues.check(queue), orders.discard(queue, payload)).pipe(
              Effect.flatMap(jobs.start),
              answered
            ),
          checkEdit: Effect.fnUntraced(function* ({ payload: { letter, payload, snapshot } }) {
            const look = yield* looks.get(snapshot)
            const found = yield* Effect.catchTag(orders.find(look, letter), "BrokerFailed", Effect.die)
            return edits.check(settings.contract, found.letter, payload)
          }),
          edit: ({ params: { queue }, payload }) =>
            Effect.andThen(queues.check(queue), orders.edit(queue, payload)).pipe(Effect.flatMap(jobs.start), answered),
          checkEditAll: ({ params: { queue }, payload }) =>
            Effect.andThen(queues.check(queue), orders.checkEditAll(queue, payload)),
          editAll: ({ params: { queue }, payload }) =>
            Effect.andThen(queues.check(queue), orders.editAll(queue, payload)).pipe(
              Effect.flatMap(jobs.start),
              answered
            ),
          checkImport: Effect.fnUntraced(function* ({ params: { queue }, payload: { ndjson } }) {
            yield* queues.check(queue)
            return edits.checkImport(ndjson, yield* latestLook(queue))
          }),
          import: ({ params: { queue }, payload: { ndjson } }) =>
            Effect.andThen(queues.check(queue), orders.import(queue, ndjson)).pipe(
              Effect.flatMap(jobs.start),
              answered
            ),
          stop: ({ params: { id } }) => answered(jobs.stop(id)),
          undo: Effect.fnUntraced(function* ({ params: { id } }) {
            const { order } = yield* jobs.get(id)
            yield* jobs.check(order.queue)
            return (yield* jobs.start(yield* orders.undo(yield* jobs.undoable(id)))).model
          }),
          kept: Effect.fnUntraced(function* ({ params: { id } }) {
            const { kept } = yield* jobs.get(id)
            if (kept.length > 0) return Stream.map(Stream.fromIterable(kept), lineOf)
            return yield* new NotFound({ what: "job", name: id, similar: [], message: "The job keeps no dead letters" })
          })
        })
      )

      const inspect = HttpApiBuilder.group(ConsoleApi.ConsoleApi, "inspect", (handlers) =>
        handlers.handleAll({
          topology: () => inspections.topology(settings),
          explain: ({ query: { key } }) => inspections.explain(settings, key),
          contracts: () => inspections.contracts(settings),
          doctor: () => inspections.doctor(settings),
          outbox: () => inspections.outbox(settings),
          requeue: ({ payload }) => inspections.requeue(settings, payload),
          schedule: () => inspections.schedule(settings),
          cancel: Effect.fnUntraced(function* ({ params: { id } }) {
            if (yield* inspections.cancel(settings, id)) return
            const message = "It is not scheduled: it was published or cancelled"
            return yield* new NotFound({ what: "event", name: id.slice(0, 255), similar: [], message })
          })
        })
      )

      return Layer.mergeAll(busGroup, deadLetters, jobGroup, inspect)
    })
  )
