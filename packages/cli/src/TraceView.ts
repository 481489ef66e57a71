/**
 * A trace that is being followed, as a tree that is redrawn on a terminal, or as JSON.
 *
 * @since 0.1.0
 */

import * as TraceFollower from "@effect-eventbus/inspect/TraceFollower"
import * as Causation from "effect-eventbus/Causation"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as EventLine from "./EventLine.ts"
import { Output } from "./Output.ts"
import { CommandFailed, noQueue } from "./Problem.ts"
import * as TraceTree from "./TraceTree.ts"

/** A drawing of the trace. On a terminal it is redrawn; elsewhere it is printed once, at the end. */
const drawing = Effect.fnUntraced(function* (traceId: string) {
  const output = yield* Output
  const isTerminal = output.columns !== undefined
  let shown = 0

  const draw = (seen: ReadonlyArray<Causation.Seen>, maxLines: number) => {
    const trees = Causation.forest(seen)
    const lines = TraceTree.draw(trees, output)
    const hidden = Math.max(0, lines.length - maxLines)
    const above = hidden === 0 ? [] : [output.paint("dim", `… ${hidden + 1} lines above`)]
    const drawn = [TraceTree.summary(traceId, trees, output), ...above, ...lines.slice(hidden === 0 ? 0 : hidden + 1)]
    const back = shown === 0 ? "" : `\u001b[${shown}A\r\u001b[J`
    shown = drawn.length
    return output.write(`${back}${drawn.join("\n")}\n`)
  }

  return {
    /** Draws the newest lines that fit the terminal: lines that have scrolled away cannot be redrawn. */
    update: (seen: ReadonlyArray<Causation.Seen>) =>
      isTerminal ? draw(seen, Math.max(3, (output.rows ?? 24) - 3)) : Effect.void,
    end: (seen: ReadonlyArray<Causation.Seen>) => (seen.length === 0 ? Effect.void : draw(seen, Infinity))
  }
})

const toJson = ({ envelope, queue }: Causation.Seen): object => {
  const { fault } = envelope
  const json = EventLine.onTheWire(envelope)
  if (fault === undefined) return json
  const { attempts, fingerprint, message, reason } = fault
  return { ...json, dead_letter: { queue, reason, message, attempts, fingerprint } }
}

/**
 * Shows a trace until it is interrupted, the time is over, or `count` events and dead
 * letters were seen.
 *
 * @category running
 * @since 0.1.0
 */
export const follow = Effect.fnUntraced(
  function* (input: {
    readonly traceId: string
    readonly queues: ReadonlyArray<string>
    readonly for: Option.Option<Duration.Duration>
    readonly count: Option.Option<number>
    readonly json: boolean
  }) {
    const output = yield* Output
    const traceId = input.traceId.toLowerCase()
    const events = yield* TraceFollower.make(input)
    const { end, update } = yield* drawing(traceId)
    const wanted = Option.getOrElse(input.count, () => Infinity)
    const seen: Array<Causation.Seen> = []
    yield* output.note(`Following ${traceId} (Ctrl-C ends it)`)

    const shown = events.pipe(
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
    if (seen.length === TraceFollower.maxSeen && wanted > seen.length) {
      yield* output.note(`Stopped: at most ${TraceFollower.maxSeen} events and dead letters of a trace are followed`)
    }
  },
  Effect.catchTag("BrokerError", (error) =>
    Effect.fail(error.reason._tag === "NotFound" ? noQueue(error.reason.name) : error)
  ),
  Effect.scoped
)
