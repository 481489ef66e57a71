/** A program for a bus, as data: some queues, and operations on them, one after the other. */

import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const kinds = [
  "plain",
  "serial",
  "hasty",
  "bare",
  "brief",
  "urgent",
  "typed",
  "once",
  "batching",
  "replying",
  "ordered"
] as const
const patterns = ["#", "task.#", "task.*.critical", "*.done.*", "user.joined.*", "tenant.*"] as const
const types = ["task.done", "task.failed", "user.joined"] as const
/** The type of requests. */
const question = "task.asked"
const priorities = ["normal", "low", "high", "critical"] as const
const keys = ["by type", "tenant.acme", "no.queue"] as const

/** The ways in which a handler treats an event, in its first attempt and in later ones. */
export const scripts = [
  "ack",
  "fail once",
  "fail twice",
  "fail for ever",
  "fail too late",
  "give up",
  "discard",
  "throw",
  "never fits"
] as const

/** The delay of a delayed event, in milliseconds. */
export const delay = 150

/** The time to live, in milliseconds, of an event that expires. `fail too late` makes it expire between two attempts. */
export const ttl = 100

export type Kind = (typeof kinds)[number]
export type Script = (typeof scripts)[number]

export interface Queue {
  readonly kind: Kind
  readonly patterns: ReadonlyArray<string>
}

export interface Event {
  readonly type: (typeof types)[number] | typeof question
  readonly priority: (typeof priorities)[number]
  readonly key: (typeof keys)[number]
  readonly script: Script
  readonly expires: boolean
  /** Whether it is published with a delay. Such an event has no time to live: brokers notice its end at different times. */
  readonly delayed: boolean
}

/** A queue of the program, or with `letters` the queue of its dead letters. */
export interface Target {
  readonly queue: number
  readonly letters: boolean
}

export type Operation =
  | { readonly _tag: "Publish"; readonly events: ReadonlyArray<Event> }
  /** Sends events as requests. */
  | { readonly _tag: "Ask"; readonly events: ReadonlyArray<Event> }
  | ({ readonly _tag: "Start"; readonly pattern: string | undefined; readonly differs: boolean } & Target)
  | ({ readonly _tag: "Stop" } & Target)
  | ({ readonly _tag: "Pause" } & Target)
  | ({ readonly _tag: "Resume" } & Target)
  /** Stops a subscription while its handler is busy with an event, where the queue receives the event. */
  | ({ readonly _tag: "StopAmid"; readonly event: Event } & Target)
  | ({ readonly _tag: "Purge" } & Target)

export interface Program {
  readonly queues: ReadonlyArray<Queue>
  readonly operations: ReadonlyArray<Operation>
}

/** Generates one of some values. The first is the simplest; a value that is listed twice comes twice as often. */
const oneOf = <const A extends string | number | boolean>(...values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: values.length - 1 })), {
    shrink: (at) => Array.from({ length: at }, (_, simpler) => simpler)
  }).pipe(
    Arbitrary.map((at) => {
      const value = values[at]
      if (value === undefined) throw new RangeError(`There are ${values.length} values, and not ${at + 1}`)
      return value
    })
  )

const event: Arbitrary.Arbitrary<Event> = Arbitrary.all({
  type: oneOf(...types),
  priority: oneOf(...priorities),
  key: oneOf("by type", ...keys, "by type"),
  script: oneOf("ack", "ack", ...scripts),
  expires: oneOf(false, false, true),
  delayed: oneOf(false, false, false, true)
}).pipe(
  // Whether a second attempt comes in time depends on the machine, unless it comes too late on purpose.
  Arbitrary.map((event) => {
    const expires = event.script === "fail too late" || (event.expires && !event.script.startsWith("fail"))
    return { ...event, expires, delayed: event.delayed && !expires }
  })
)

/** Returns the event as a request. Without retries elsewhere: whether one comes before its deadline depends on the machine. */
const asked = (event: Event, queues: ReadonlyArray<Queue>): Event => {
  const { script, ...others } = unhurried(event)
  const isCalm = queues.every(({ kind }) => kind === "replying") || !script.startsWith("fail")
  return { ...others, type: question, delayed: false, script: isCalm ? script : "ack" }
}

/** Returns the same event, without a time to live. */
const unhurried = (event: Event): Event => ({
  ...event,
  expires: false,
  script: event.script === "fail too late" ? "fail once" : event.script
})

const operation: Arbitrary.Arbitrary<Operation> = Arbitrary.all({
  tag: oneOf(
    "Publish",
    "Publish",
    "Publish",
    "Ask",
    "Stop",
    "Start",
    "StopAmid",
    "StopAmid",
    "Purge",
    "Pause",
    "Resume"
  ),
  queue: oneOf(0, 1, 2),
  letters: oneOf(false, false, true),
  events: Arbitrary.array(event, { minLength: 1, maxLength: 4 }),
  event,
  pattern: oneOf("", "", "", ...patterns),
  differs: oneOf(false, false, false, false, false, true)
}).pipe(
  Arbitrary.map(({ differs, event, events, letters, pattern, queue, tag }): Operation => {
    switch (tag) {
      case "Publish":
        // One of many events at once may wait for the others, and how long depends on the machine.
        return { _tag: tag, events: events.length === 1 ? events : events.map(unhurried) }
      case "Ask":
        return { _tag: tag, events }
      case "Start":
        return { _tag: tag, queue, letters, differs, pattern: pattern === "" ? undefined : pattern }
      case "StopAmid":
        return { _tag: tag, queue, letters: false, event: { ...event, delayed: false } }
      default:
        return { _tag: tag, queue, letters }
    }
  })
)

const eachEvent = (operation: Operation, change: (event: Event) => Event): Operation => {
  if (operation._tag === "Publish" || operation._tag === "Ask") {
    return { ...operation, events: operation.events.map(change) }
  }
  return operation._tag === "StopAmid" ? { ...operation, event: change(operation.event) } : operation
}

export const arbitrary: Arbitrary.Arbitrary<Program> = Arbitrary.all({
  queues: Arbitrary.array(
    Arbitrary.all({
      kind: oneOf(...kinds, "brief"),
      patterns: Arbitrary.array(oneOf("#", ...patterns), { minLength: 1, maxLength: 2 })
    }),
    { minLength: 1, maxLength: 3 }
  ),
  only: oneOf("any", "any", ...priorities),
  operations: Arbitrary.array(operation, { minLength: 1, maxLength: 14 })
}).pipe(
  Arbitrary.map(({ only, operations, queues }) => {
    // A waiting event expires when it comes to the head of its queue. Since RabbitMQ 4.3 (measured) each priority has a
    // head of its own, and so has what was put back. So brokers differ where priorities are mixed, and in a hasty queue.
    // In a queue with priorities RabbitMQ looks for expired events only now and then.
    const isCalm = only === "any" || queues.some(({ kind }) => kind === "urgent" || kind === "hasty")
    const change = (event: Event): Event => ({
      ...(isCalm ? unhurried(event) : event),
      priority: only === "any" ? event.priority : only
    })
    const toRequest = (event: Event) => asked(change(event), queues)
    return { queues, operations: operations.map((each) => eachEvent(each, each._tag === "Ask" ? toRequest : change)) }
  })
)

/** Returns the name of a queue, which starts with its kind. */
export const nameOf = ({ queues }: Program, { letters, queue }: Target): string => {
  const at = queue % queues.length
  return `${letters ? "dlq." : ""}${queues[at]?.kind}-${at + 1}`
}

/** Whether a queue of this name can be stopped while it is busy with one event. A batch waits for others before. */
export const canStopAmid = (name: string): boolean => !name.startsWith("batching")

export const routingKey = ({ key, priority, type }: Event): string => (key === "by type" ? `${type}.${priority}` : key)

/** Whether an event of the operation is delayed. */
export const isDelayed = (operation: Operation): boolean =>
  operation._tag === "Publish" && operation.events.some((event) => event.delayed)

/** Whether an event of the operation may expire. */
export const expires = (operation: Operation): boolean => {
  if (operation._tag === "Publish") return operation.events.some((event) => event.expires)
  return operation._tag === "StopAmid" && operation.event.expires
}

const describe = (event: Event): string =>
  `${routingKey(event)}${event.key === "by type" ? "" : ` (${event.type}.${event.priority})`}: ${event.script}` +
  (event.expires ? `, expires after ${ttl} ms` : "") +
  (event.delayed ? `, delayed by ${delay} ms` : "")

const line = (program: Program, operation: Operation): string => {
  switch (operation._tag) {
    case "Publish":
      return `publish ${operation.events.map(describe).join("; ")}`
    case "Ask":
      return `ask ${operation.events.map(describe).join("; ")}`
    case "Start":
      return (
        `start ${nameOf(program, operation)}` +
        (operation.pattern === undefined ? "" : ` with ${operation.pattern} too`) +
        (operation.differs ? " with other arguments" : "")
      )
    case "Stop":
      return `stop ${nameOf(program, operation)}`
    case "StopAmid":
      return `stop ${nameOf(program, operation)} while it handles ${describe(operation.event)}`
    case "Pause":
      return `pause ${nameOf(program, operation)}`
    case "Resume":
      return `resume ${nameOf(program, operation)}`
    case "Purge":
      return `purge ${nameOf(program, operation)}`
  }
}

/** Prints a program, a line for each step. */
export const print = (program: Program): string =>
  [
    ...program.queues.map(
      ({ patterns }, queue) => `   start ${nameOf(program, { queue, letters: false })} on ${patterns.join(", ")}`
    ),
    ...program.operations.map((operation, at) => `${String(at + 1).padStart(2)} ${line(program, operation)}`)
  ].join("\n")
