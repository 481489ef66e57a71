/**
 * What `eventbus trace` does: follows the events and the dead letters of one trace,
 * and shows them.
 *
 * @since 0.1.0
 */

import { Broker, Causation, EventBus, QueueSpec, Subscription } from "effect-eventbus"
import type { Seen } from "effect-eventbus/Causation"
import type { Envelope } from "effect-eventbus/Envelope"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as EventLine from "./EventLine.ts"
import { Output } from "./Output.ts"
import { CommandFailed } from "./Problem.ts"
import * as TraceTree from "./TraceTree.ts"

/** How many events are on their way to the screen at once. */
const window = 100
/** How much of a trace is kept. */
const maxSeen = 1000
/** How often the queues of dead letters are looked at. */
const every = "2 seconds"

/** The events of the trace that are published from now on, as somebody sees them who only looks on. */
const live = Effect.fnUntraced(function* (traceId: string) {
  const broker = yield* Broker.Broker
  const onlooker = Subscription.make(`trace.${crypto.randomUUID()}`, {
    patterns: ["#"],
    temporary: true,
    concurrency: window
  })
  const ofTrace = (envelope: Envelope, queue: string): ReadonlyArray<Seen> => {
    const event = Result.getOrUndefined(onlooker.decode(envelope))
    return event?.traceId?.toLowerCase() === traceId ? [{ event, envelope, queue, attempt: envelope.attempt ?? 1 }] : []
  }
  const deliveries = yield* Broker.deliveries(broker, onlooker)
  const events = Stream.fromQueue(deliveries).pipe(
    Stream.mapEffect(({ ack, envelope }) => Effect.as(ack, ofTrace(envelope, onlooker.name))),
    Stream.flattenIterable
  )
  return { events, ofTrace }
})

/** The dead letters of the trace in a queue, looked for whenever their number has changed. */
const letters = Effect.fnUntraced(function* (traceId: string, queue: string) {
  const bus = yield* EventBus.EventBus
  const name = QueueSpec.deadLetterQueueOf(queue)
  let before = 0
  const look = Effect.gen(function* () {
    const info = yield* bus.queueInfo(name)
    if (Option.isNone(info)) return yield* new CommandFailed({ message: `There is no queue "${name}"` })
    const { messages } = info.value
    if (messages === before) return []
    before = messages
    const { letters } = yield* bus.deadLetters(queue).peek({ text: traceId, limit: maxSeen })
    return letters.map(({ envelope }) => ({ envelope, queue: name }))
  })
  return Stream.flattenIterable(Stream.fromEffectSchedule(look, Schedule.spaced(every)))
})

const keyOf = ({ envelope, event, queue }: Seen): string =>
  `${event.eventId} ${envelope.fault === undefined ? "" : `${queue} ${envelope.fault.lastFailedAt}`}`

/** What is shown of a trace: a tree that is drawn anew on a terminal, and once, at the end, anywhere else. */
const picture = Effect.fnUntraced(function* (traceId: string) {
  const output = yield* Output
  const isTerminal = output.columns !== undefined
  let shown = 0

  const draw = (seen: ReadonlyArray<Seen>, most: number) => {
    const trees = Causation.forest(seen)
    const lines = TraceTree.draw(trees, output)
    const hidden = Math.max(0, lines.length - most)
    const above = hidden === 0 ? [] : [output.paint("dim", `… ${hidden + 1} lines above`)]
    const drawn = [TraceTree.summary(traceId, trees, output), ...above, ...lines.slice(hidden === 0 ? 0 : hidden + 1)]
    const back = shown === 0 ? "" : `\u001b[${shown}A\r\u001b[J`
    shown = drawn.length
    return output.write(`${back}${drawn.join("\n")}\n`)
  }

  return {
    /** What no longer fits the terminal cannot be drawn over, so the newest lines are shown. */
    update: (seen: ReadonlyArray<Seen>) =>
      isTerminal ? draw(seen, Math.max(3, (output.rows ?? 24) - 3)) : Effect.void,
    end: (seen: ReadonlyArray<Seen>) => (seen.length === 0 ? Effect.void : draw(seen, Infinity))
  }
})

const toJson = ({ envelope, queue }: Seen): object => {
  const { fault } = envelope
  const json = EventLine.travelling(envelope)
  if (fault === undefined) return json
  const { attempts, fingerprint, message, reason } = fault
  return { ...json, dead_letter: { queue, reason, message, attempts, fingerprint } }
}

/**
 * Follows a trace until it is interrupted, the time is over, or so many events and
 * dead letters were seen.
 *
 * @category running
 * @since 0.1.0
 */
export const follow = Effect.fnUntraced(function* (input: {
  readonly traceId: string
  /** The queues whose dead letters are looked at. */
  readonly queues: ReadonlyArray<string>
  readonly for: Option.Option<Duration.Duration>
  readonly count: Option.Option<number>
  readonly json: boolean
}) {
  const output = yield* Output
  const traceId = input.traceId.toLowerCase()
  const { events, ofTrace } = yield* live(traceId)
  const dead = yield* Effect.forEach(input.queues, (queue) => letters(traceId, queue))
  const { end, update } = yield* picture(traceId)
  const wanted = Option.getOrElse(input.count, () => maxSeen)
  const seen: Array<Seen> = []
  const known = new Set<string>()
  const isNew = (sighting: Seen): boolean => {
    const key = keyOf(sighting)
    return known.size < maxSeen && known.size !== known.add(key).size
  }
  yield* output.note(`Following ${traceId} (Ctrl-C ends it)`)

  const found = Stream.mergeAll(dead, { concurrency: "unbounded" }).pipe(
    Stream.map(({ envelope, queue }) => ofTrace(envelope, queue)),
    Stream.flattenIterable
  )
  const shown = Stream.merge(events, found).pipe(
    Stream.filter(isNew),
    Stream.take(wanted),
    Stream.runForEach((sighting) => {
      seen.push(sighting)
      return input.json ? output.json(toJson(sighting)) : update(seen)
    })
  )
  const bounded = Option.match(input.for, {
    onNone: () => shown,
    onSome: (duration) => Effect.asVoid(Effect.timeoutOption(shown, duration))
  })
  yield* input.json ? bounded : Effect.ensuring(bounded, Effect.ignore(Effect.suspend(() => end(seen))))
  if (seen.length === 0) {
    const time = Option.match(input.for, { onNone: () => "", onSome: (time) => ` within ${Duration.format(time)}` })
    return yield* new CommandFailed({ message: `No event of this trace was seen${time}` })
  }
  if (seen.length === maxSeen && Option.isNone(input.count)) {
    yield* output.note(`It ends here: no more than ${maxSeen} events and dead letters of a trace are followed`)
  }
}, Effect.scoped)
