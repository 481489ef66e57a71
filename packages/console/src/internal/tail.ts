/**
 * The events as they are published, bounded: a page gets a hundred a second at most, and
 * is told how many were left out.
 *
 * @internal
 */

import type { SubscribeError } from "effect-eventbus/BrokerError"
import type { Settleable } from "effect-eventbus/DecodedDelivery"
import { EventBus } from "effect-eventbus/EventBus"
import * as Settlement from "effect-eventbus/Settlement"
import * as Subscription from "effect-eventbus/Subscription"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as Inspection from "../ConsoleInspection.ts"
import { textOf } from "./deadLetterView.ts"
import type { Settings } from "./settings.ts"

type Tailed = typeof Inspection.Tailed.Type

/** Of half a second. */
const maxEvents = 50
const maxBody = 2000
const concurrency = 100

/** Subscribes to a pattern, and returns the stream of its events from then on. Its queue ends with the scope. */
export const published = Effect.fnUntraced(function* (name: string, pattern: string) {
  const bus = yield* EventBus
  const subscription = Subscription.make(`${name}.${crypto.randomUUID()}`, {
    patterns: [pattern],
    temporary: true,
    concurrency
  })
  const pull = yield* Stream.toPull(bus.stream(subscription))
  return Stream.mapEffect(Stream.fromPull(Effect.succeed(pull)), (delivery) =>
    Effect.as(delivery.settle(Settlement.ack), delivery)
  )
})

/** Streams batches of the events of a pattern, twice a second. */
export const batches = (
  { bodies }: Settings,
  pattern: string
): Stream.Stream<{ readonly events: ReadonlyArray<Tailed>; readonly omitted: number }, SubscribeError, EventBus> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const all = yield* published("console.tail", pattern)
      let number = 0
      let events: Array<Tailed> = []
      let omitted = 0
      const add = ({ envelope }: Settleable) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          number++
          if (events.length >= maxEvents) {
            omitted++
            return
          }
          events.push({
            number,
            at,
            routingKey: envelope.routingKey,
            id: envelope.id,
            type: envelope.type,
            source: envelope.source,
            traceId: envelope.traceId,
            priority: envelope.priority,
            bytes: envelope.body.length,
            body: bodies === "show" ? textOf(envelope.body)?.slice(0, maxBody) : undefined
          })
        })
      const flush = Effect.sync(() => {
        const batch = { events, omitted }
        events = []
        omitted = 0
        return batch
      })
      const collect = Stream.drain(Stream.mapEffect(all, add))
      const ticks = Stream.fromEffectSchedule(flush, Schedule.spaced("500 millis"))
      return Stream.merge(
        collect,
        Stream.filter(ticks, (batch) => batch.events.length > 0 || batch.omitted > 0),
        { haltStrategy: "left" }
      )
    })
  )
