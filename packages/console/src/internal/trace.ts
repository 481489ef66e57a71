/**
 * A trace as it happens: its events from now on, and its dead letters.
 *
 * @internal
 */

import type { SubscribeError } from "effect-eventbus/BrokerError"
import * as Causation from "effect-eventbus/Causation"
import type { EventBus } from "effect-eventbus/EventBus"
import * as EventCodec from "effect-eventbus/EventCodec"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as Inspection from "../ConsoleInspection.ts"
import { shown } from "./deadLetterView.ts"
import type { Looks } from "./Looks.ts"
import type { Queues } from "./Queues.ts"
import type { Settings } from "./settings.ts"
import * as tail from "./tail.ts"

type Node = typeof Inspection.TraceNode.Type
type Trace = typeof Inspection.Trace.Type

const maxSeen = 1000
const decode = EventCodec.decoder([])

/** Lists a tree, each event after its parent. */
const listed = (trees: ReadonlyArray<Causation.Causation>): ReadonlyArray<Node> => {
  const nodes: Array<Node> = []
  const rest = trees.map((tree) => ({ tree, parent: undefined as string | undefined, depth: 0 })).toReversed()
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { depth, parent, tree } = next
    const { caused, event, sightings } = tree
    nodes.push({
      eventId: event.eventId,
      eventType: event.eventType,
      source: event.sourceService ?? event.sourceAgentId,
      timestamp: DateTime.toEpochMillis(event.timestamp),
      priority: event.priority,
      parent,
      depth,
      sightings: sightings.map(({ attempt, fault, queue }) => ({
        queue,
        deadLetterOf: QueueSpec.isDeadLetterQueue(queue) ? QueueSpec.originOf(queue) : undefined,
        attempt,
        fault:
          fault === undefined
            ? undefined
            : {
                reason: fault.reason,
                message: fault.message.slice(0, 200),
                attempts: fault.attempts,
                at: fault.lastFailedAt
              }
      }))
    })
    for (const each of caused.toReversed()) rest.push({ tree: each, parent: event.eventId, depth: depth + 1 })
  }
  return nodes
}

const keyOf = ({ envelope, event, queue }: Causation.Seen): string =>
  `${event.eventId} ${envelope.fault === undefined ? "" : `${queue} ${envelope.fault.lastFailedAt}`}`

/**
 * Streams the trace whenever more of it was seen. It looks at dead letters at the start,
 * and again when their number has grown, after ten times the time that a look takes.
 */
export const follow = (
  traceId: string,
  settings: Settings,
  queues: Queues,
  looks: Looks,
  only: string | undefined
): Stream.Stream<Trace, SubscribeError, EventBus> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const wanted = traceId.toLowerCase()
      const published = yield* tail.published("console.trace", "#")
      const since = yield* Clock.currentTimeMillis
      const seen = new Map<string, Causation.Seen>()
      let told = -1

      const add = (sighting: Causation.Seen) => {
        if (seen.size < maxSeen && sighting.event.traceId?.toLowerCase() === wanted) seen.set(keyOf(sighting), sighting)
      }

      const fromDeadLetters = Effect.fnUntraced(function* (queue: string, again: boolean) {
        const look = yield* looks.look(queue, again)
        for (const { letter } of look.seen) {
          if (letter === undefined) continue
          const event = Result.getOrUndefined(decode(letter.envelope))
          if (event !== undefined) {
            const { envelope } = shown(settings, letter)
            add({ event, envelope, queue: QueueSpec.deadLetterQueueOf(queue), attempt: envelope.fault?.attempts ?? 1 })
          }
        }
        return look
      })

      /** Looks at the dead letters of a queue, now and when there are more. */
      const watch = Effect.fnUntraced(function* (queue: string) {
        let count = -1
        while (true) {
          const now = yield* queues.deadLetters(queue)
          let pause = 2000
          if (now !== undefined && now > 0 && now !== count) {
            const look = yield* Effect.orElseSucceed(fromDeadLetters(queue, count >= 0), () => undefined)
            if (look !== undefined) pause = Math.max(pause, look.took * 10)
          }
          if (now !== undefined) count = now
          yield* Effect.sleep(pause)
        }
      })

      const names = only === undefined ? yield* queues.names : [only]
      const watching = Stream.drain(
        Stream.mergeAll(
          names.map((queue) => Stream.fromEffect(watch(queue))),
          { concurrency: "unbounded" }
        )
      )
      const live = Stream.drain(
        Stream.map(published, ({ attempt, envelope, event, queue }) => add({ event, envelope, queue, attempt }))
      )
      const current = Effect.sync((): Trace | undefined => {
        if (seen.size === told) return undefined
        told = seen.size
        const nodes = listed(Causation.forest([...seen.values()]))
        return { id: traceId, since, seen: seen.size, isFull: seen.size >= maxSeen, nodes }
      })
      const ticks = Stream.fromEffectSchedule(current, Schedule.spaced("500 millis")).pipe(
        Stream.filter((trace) => trace !== undefined)
      )
      return Stream.mergeAll([ticks, live, watching], { concurrency: "unbounded" })
    })
  )
