/**
 * Publishes the rows of a claim: keys side by side, the rows of a key one after another.
 *
 * @internal
 */

import type * as Broker from "effect-eventbus/Broker"
import * as Metrics from "effect-eventbus/Metrics"
import * as PublishError from "effect-eventbus/PublishError"
import * as Traceparent from "effect-eventbus/Traceparent"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { SqlError } from "effect/sql/SqlError"
import * as Chains from "./chains.ts"
import type { Verdicts } from "./claims.ts"
import * as OutboxRow from "./OutboxRow.ts"
import * as Traces from "./traces.ts"

/** The end of a publish: safe, refused for good, to be tried again, or not begun in time. */
export type Outcome =
  | { readonly _tag: "Published" }
  | { readonly _tag: "Left" }
  | { readonly _tag: "Refused"; readonly reason: string }
  | { readonly _tag: "Failed"; readonly reason: PublishError.Reason }

/** A claim publishes for no longer than this, so that its transaction stays short whatever the broker does. */
export const publishWithin = 4_000

/**
 * A claim begins no publish after this. What is in flight when its time is over is published twice, so a long key and large
 * bodies, which go one after another, must end before: the next claim goes on with them.
 */
const beginWithin = publishWithin / 2

/** The large bodies in memory at once. */
const largeBodies = 4

const published: Outcome = { _tag: "Published" }
const left: Outcome = { _tag: "Left" }
const late = new PublishError.Timeout({ millis: publishWithin })

/** Counts publishes as the bus does: what the outbox took is given to the broker now. */
const counter = Effect.map(Metrics.registry, (registry) => {
  const given = Metrics.all.published.series(registry, {})
  const confirmed = Metrics.all.confirmed.series(registry, {})
  const returned = Metrics.all.returned.series(registry, {})
  const nacked = Metrics.all.nacked.series(registry, {})
  const failed = Metrics.byErrorType((error_type) => Metrics.all.notPublished.series(registry, { error_type }))
  return {
    given,
    confirmed,
    failed: ({ _tag }: PublishError.Reason) => {
      if (_tag === "Unroutable") returned(1)
      else if (_tag === "Nacked") nacked(1)
      else failed(_tag)
    }
  }
})

/** The span of a publish, below the transaction that wrote the event and above its handling. */
const spanned = (
  row: OutboxRow.ClaimedRow,
  traceparent: string | undefined,
  publish: (traceparent: string | undefined) => Effect.Effect<void, PublishError.Reason>
): Effect.Effect<void, PublishError.Reason> => {
  if (traceparent === undefined) return publish(undefined)
  return Effect.withFiber((fiber) => {
    const parent = Traces.isTraced(fiber) ? Traceparent.toSpan(traceparent) : undefined
    if (parent === undefined || !parent.sampled) return publish(traceparent)
    return Effect.useSpan(
      `relay ${row.event_type}`,
      {
        kind: "producer",
        parent,
        attributes: { "messaging.message.id": row.event_id, "eventbus.event_type": row.event_type }
      },
      (span) => publish(Traceparent.fromSpan(span))
    )
  })
}

export interface Publisher {
  (
    rows: ReadonlyArray<OutboxRow.ClaimedRow>
  ): Effect.Effect<Verdicts & { readonly failed: ReadonlyArray<readonly [OutboxRow.ClaimedRow, PublishError.Reason]> }>
}

export const make = Effect.fnUntraced(function* (
  broker: Broker.Broker["Service"],
  bodyOf: (seq: number) => Effect.Effect<Uint8Array | undefined, SqlError>
): Effect.fn.Return<Publisher> {
  const count = yield* counter
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  const large = yield* Semaphore.make(largeBodies)

  const send = (row: OutboxRow.ClaimedRow, headers: OutboxRow.Headers, body: Uint8Array) =>
    body.length > broker.maxBodyBytes
      ? Effect.fail(new PublishError.TooLarge({ bytes: body.length, limit: broker.maxBodyBytes }))
      : spanned(row, headers.traceparent, (traceparent) =>
          broker.publish(OutboxRow.toEnvelope(row, headers, body, traceparent))
        )

  const outcomeOf = (reason: PublishError.Reason, headers: OutboxRow.Headers): Outcome => {
    if (reason._tag === "Unroutable" && headers.unroutable === "ignore") return published
    return reason.isRetryable ? { _tag: "Failed", reason } : { _tag: "Refused", reason: reason.message }
  }

  const withBody = (row: OutboxRow.ClaimedRow, use: (body: Uint8Array) => Effect.Effect<Outcome>) =>
    row.body !== null
      ? use(row.body)
      : large.withPermit(
          // Interrupting a statement amid a transaction would end the transaction.
          Effect.matchEffect(Effect.uninterruptible(bodyOf(row.seq)), {
            onFailure: ({ message }) =>
              Effect.succeed<Outcome>({
                _tag: "Failed",
                reason: new PublishError.Disconnected({ detail: message, millis: 0 })
              }),
            onSuccess: (body) => (body === undefined ? Effect.succeed(published) : use(body))
          })
        )

  /** Publishes a row, unless `begin` says that it is too late for that. */
  const publishOne = (row: OutboxRow.ClaimedRow, begin: () => boolean): Effect.Effect<Outcome> => {
    const headers = OutboxRow.headersOf(row)
    if (Result.isFailure(headers)) {
      return Effect.succeed({ _tag: "Refused", reason: "its headers cannot be read: another program wrote them" })
    }
    return withBody(row, (body) => {
      if (!begin()) return Effect.succeed(left)
      count.given(1)
      return Effect.match(send(row, headers.success, body), {
        onSuccess: () => {
          count.confirmed(1)
          return published
        },
        onFailure: (reason) => {
          count.failed(reason)
          return outcomeOf(reason, headers.success)
        }
      })
    })
  }

  return Effect.fnUntraced(function* (rows) {
    const done: Array<number> = []
    const refused: Array<{ readonly row: OutboxRow.ClaimedRow; readonly reason: string }> = []
    const behind: Array<OutboxRow.ClaimedRow> = []
    const failed: Array<readonly [OutboxRow.ClaimedRow, PublishError.Reason]> = []
    const inFlight = new Set<OutboxRow.ClaimedRow>()
    const until = now() + beginWithin
    const begin = (row: OutboxRow.ClaimedRow) => () => {
      if (now() > until) return false
      inFlight.add(row)
      return true
    }

    /** Publishes the rows of a key up to the first that is not published. */
    const inTurn = (chain: ReadonlyArray<OutboxRow.ClaimedRow>): Effect.Effect<void> => {
      let at = 0
      const next = Effect.suspend(() => {
        const row = chain[at++]
        if (row === undefined) return Effect.void
        return Effect.map(publishOne(row, begin(row)), (outcome) => {
          inFlight.delete(row)
          if (outcome._tag === "Published") return void done.push(row.seq)
          const rest = chain.slice(at)
          at = chain.length
          if (outcome._tag === "Left") return
          if (outcome._tag === "Failed") return void failed.push([row, outcome.reason])
          refused.push({ row, reason: outcome.reason })
          behind.push(...rest)
        })
      })
      return chain.length === 1
        ? next
        : Effect.whileLoop({ while: () => at < chain.length, body: () => next, step: () => {} })
    }

    // A claim is bounded, so all of its rows may be in flight.
    const all = Effect.forEach(Chains.of(rows), inTurn, { concurrency: "unbounded", discard: true })
    // The claim is uninterruptible, but its publishes end in time. What is in flight then is uncertain, and stays.
    const ended = yield* Effect.timeoutOption(Effect.interruptible(all), publishWithin)
    if (Option.isNone(ended)) {
      for (const row of inFlight) {
        count.failed(late)
        failed.push([row, late])
      }
    }
    return { published: done, refused, behind, failed }
  })
})
