import { Effect, Result } from "effect"
import { DeadLetter, EventCodec, EventType, Fault, Subscription } from "effect-eventbus"
import type { EventBus, Event } from "effect-eventbus"

/** Makes an event whose payload no schema has checked. */
export const rawEvent = (type: string, payload: object) =>
  EventType.untyped(type).event(JSON.parse(JSON.stringify(payload)))

/** A subscription to nothing, whose queue and dead letters can be declared. */
export const subscription = (queue: string) =>
  Subscription.make(queue, { events: [EventType.untyped("nothing.at.all")] })

/** A kind of failure, and how its dead letters look. */
export interface Kind {
  readonly count: number
  readonly reason: string
  readonly message: (n: number) => string
  readonly payload: (n: number) => object
  readonly place: string
}

const tools = ["browser", "search", "python"]

/** 6,000 timeouts, 3,400 refusals, and 600 tasks that someone published without a tool. */
export const kinds: ReadonlyArray<Kind> = [
  {
    count: 6000,
    reason: "ToolTimeout",
    message: (n) => `The tool "${tools[n % 3]}" did not answer within 30 seconds`,
    payload: (n) => ({ task_id: `task-${n}`, tool: tools[n % 3], timeout_seconds: 30 }),
    place: "callTool (/app/src/tools/ToolClient.ts:88:13)"
  },
  {
    count: 3400,
    reason: "QuotaExceeded",
    message: (n) => `The model refused the task: 429, retry after ${20 + (n % 7)} seconds`,
    payload: (n) => ({ task_id: `task-${n}`, tool: tools[n % 3], timeout_seconds: 120 }),
    place: "complete (/app/src/models/Completion.ts:41:20)"
  },
  {
    count: 600,
    reason: "InvalidTask",
    message: () => 'Missing key at ["payload"]["tool"]',
    payload: (n) => ({ task_id: `task-${n}`, timeout_seconds: 30 }),
    place: "runTask (/app/src/tasks/runTask.ts:17:9)"
  }
]

const stackOf = ({ message, place, reason }: Kind, n: number) =>
  [
    `${reason}: ${message(n)}`,
    `    at ${place}`,
    "    at runTask (/app/src/tasks/runTask.ts:23:22)",
    "    at FiberImpl.evaluate (/app/node_modules/effect/dist/internal/effect.js:640:20)",
    "    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)"
  ].join("\n")

const envelopeOf = (event: Event.Event) =>
  Result.getOrThrow(
    EventCodec.toEnvelope(event, { routingKey: `${event.eventType}.normal`, persistent: true, traceparent: undefined })
  )

/** Makes a dead letter of a kind. */
export const make = (kind: Kind, n: number, event: Event.Event): DeadLetter.DeadLetter =>
  DeadLetter.fromEnvelope({
    ...envelopeOf(event),
    fault: Fault.make({
      reason: kind.reason,
      message: kind.message(n),
      stack: stackOf(kind, n),
      attempts: 1 + (n % 3),
      now: Date.now() - (600 + n) * 1000,
      type: event.eventType
    })
  })

/** Puts dead letters into those of a queue, one kind after the other. */
export const bury = Effect.fnUntraced(function* (
  bus: EventBus.EventBus["Service"],
  queue: string,
  kinds: ReadonlyArray<Kind>,
  eventOf: (payload: object) => Effect.Effect<Event.Event, unknown>
) {
  const letters = bus.deadLetters(queue)
  for (const kind of kinds) {
    yield* Effect.forEach(
      Array.from({ length: kind.count }, (_, n) => n),
      (n) => Effect.flatMap(eventOf(kind.payload(n)), (event) => letters.put(make(kind, n, event))),
      { concurrency: 500, discard: true }
    )
  }
})
