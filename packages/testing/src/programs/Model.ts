/**
 * The model of a bus: the outcome of a program by the contract, computed without a
 * clock, fibers or bytes. After each step everything that can happen has happened:
 * retries are over, and what may expire has expired.
 */

import { RoutingKey } from "effect-eventbus"
import * as Option from "effect/Option"
import * as Observation from "./Observation.ts"
import { canStopAmid, nameOf, routingKey } from "./Program.ts"
import type { Event, Kind, Operation, Program, Target } from "./Program.ts"

/** An event in a queue. */
interface Item {
  readonly n: number
  readonly event: Event
  readonly attempt: number
  readonly retryCount: number
  readonly fault: Observation.Sight["fault"]
  /** Whether it expires while it waits. */
  readonly expires: boolean
  /** Whether it is a request whose requester no longer waits. */
  readonly isLate: boolean
  /** The key that it has parked, or behind which it was parked. */
  readonly key?: string | undefined
}

class Queue {
  readonly name: string
  readonly kind: Kind
  readonly isLetters: boolean
  readonly patterns = new Set<string>()
  waiting: ReadonlyArray<Item> = []
  isRunning = false
  /** Whether its subscription takes no events for now. Then it is not running. */
  isPaused = false
  /** The parked keys, as its running subscription knows them since its first event. */
  parked: Set<string> | undefined
  /** Whether its subscription stops as soon as the handler is busy. */
  isStopping = false

  constructor(name: string, kind: Kind, isLetters: boolean) {
    this.name = name
    this.kind = kind
    this.isLetters = isLetters
  }

  get deadLetterQueue(): string | undefined {
    return !this.isLetters && (this.kind === "bare" || this.kind === "once") ? undefined : `dlq.${this.name}`
  }

  get is(): Readonly<Partial<Record<Kind, boolean>>> {
    return this.isLetters ? {} : { [this.kind]: true }
  }

  wants(key: string): boolean {
    return [...this.patterns].some((pattern) => RoutingKey.matches(pattern, key))
  }

  add(item: Item): void {
    const urgency = ["low", "normal", "high", "critical"]
    const at = this.is.urgent
      ? this.waiting.findIndex(({ event }) => urgency.indexOf(event.priority) < urgency.indexOf(item.event.priority))
      : -1
    this.waiting = this.waiting.toSpliced(at < 0 ? this.waiting.length : at, 0, item)
  }
}

/** Returns the error of a handler, or `undefined` where it succeeds. */
const failureOf = (
  { attempt, event: { script } }: Item,
  { is, isLetters }: Queue,
  isBusy: boolean
): string | undefined => {
  if (isLetters) return script === "fail for ever" || (script === "give up" && attempt === 1) ? "Flaky" : undefined
  // The failure of a responder is a reply.
  if (is.replying && (script === "give up" || script === "discard")) return undefined
  const flaky = isBusy ? "Busy" : "Flaky"
  switch (script) {
    case "fail once":
      return attempt === 1 ? flaky : undefined
    case "fail twice":
      return attempt <= 2 ? flaky : undefined
    case "fail for ever":
      return flaky
    case "fail too late":
      return is.bare ? "Fatal" : "Slow"
    case "give up":
      return "Fatal"
    case "discard":
      return "Useless"
    case "throw":
      return "TypeError"
    default:
      return undefined
  }
}

/** The number of attempts, by error. */
const attempts: Readonly<Record<string, number>> = { Flaky: 3, Busy: 3, Slow: 2 }

export class Model {
  private readonly program: Program
  private readonly queues = new Map<string, Queue>()
  private sights: Array<Observation.Sight> = []
  private answers: Array<string> = []
  private published = 0

  constructor(program: Program) {
    this.program = program
    program.queues.forEach((_, queue) => this.start({ queue, letters: false }, undefined))
  }

  /** Performs an operation, and returns what must be seen once the bus is idle. */
  step(operation: Operation): Observation.Observation {
    this.sights = []
    this.answers = []
    const results = this.perform(operation)
    return {
      results,
      answers: this.answers,
      handled: Observation.handled(this.sights, orderOf(operation)),
      queues: Object.fromEntries(
        [...this.queues.values()]
          .map(
            ({ isRunning, name, waiting }) =>
              [
                name,
                Observation.queue(Option.some({ messages: waiting.length, consumers: isRunning ? 1 : 0 }))
              ] as const
          )
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
      )
    }
  }

  private perform(operation: Operation): ReadonlyArray<string> {
    if (operation._tag === "Publish") {
      const due: Array<() => void> = []
      const results = operation.events.map((event) => this.publish(event, due))
      // Their delay is longer than everything else takes.
      due.forEach((enter) => enter())
      return results
    }
    if (operation._tag === "Ask") {
      for (const event of operation.events) this.ask(event)
      return []
    }
    const queue = this.queues.get(nameOf(this.program, operation))
    switch (operation._tag) {
      case "Start": {
        if (operation.differs && !operation.letters) return ["TopologyMismatch"]
        if (!queue?.isRunning && !queue?.isPaused) this.start(operation, operation.pattern)
        return ["started"]
      }
      case "Stop": {
        if (queue !== undefined) queue.isRunning = queue.isPaused = false
        return []
      }
      case "Pause": {
        if (queue?.isRunning) {
          queue.isRunning = false
          queue.isPaused = true
        }
        return []
      }
      case "Resume": {
        if (queue?.isPaused) this.consume(queue)
        return []
      }
      case "StopAmid": {
        if (!queue?.isRunning || !canStopAmid(queue.name)) return []
        queue.isStopping = true
        const result = this.publish(operation.event)
        queue.isStopping = false
        return [result]
      }
      case "Purge": {
        if (queue === undefined) return ["NotFound"]
        const purged = queue.waiting.length
        queue.waiting = []
        return [`${purged} purged`]
      }
    }
  }

  private start(target: Target, pattern: string | undefined): void {
    const { kind = "plain", patterns = [] } = this.program.queues[target.queue % this.program.queues.length] ?? {}
    const queue = this.declareQueue(nameOf(this.program, target), kind, target.letters)
    if (queue.deadLetterQueue !== undefined) this.declareQueue(queue.deadLetterQueue, kind, true)
    if (!target.letters)
      for (const each of pattern === undefined ? patterns : [...patterns, pattern]) queue.patterns.add(each)
    this.consume(queue)
  }

  private consume(queue: Queue): void {
    const { waiting } = queue
    queue.isRunning = true
    queue.isPaused = false
    queue.parked = undefined
    queue.waiting = []
    waiting.forEach((item) =>
      item.expires || queue.is.brief ? this.die(queue, item, expired(item)) : this.handle(queue, item)
    )
  }

  private declareQueue(name: string, kind: Kind, isLetters: boolean): Queue {
    const queue = this.queues.get(name) ?? new Queue(name, kind, isLetters)
    this.queues.set(name, queue)
    return queue
  }

  private publish(event: Event, due: Array<() => void> = []): string {
    const n = ++this.published
    if (event.script === "never fits") return "EncodeFailed"
    if (event.delayed) {
      due.push(() => this.route(n, event))
      return "published"
    }
    return this.route(n, event) === 0 ? "Unroutable" : "published"
  }

  private ask(event: Event): void {
    const n = ++this.published
    this.answers.push(Observation.answer(n, this.answerTo(n, event)))
  }

  private answerTo(n: number, event: Event): string {
    if (event.script === "never fits") return "EncodeFailed"
    const isAnswered = this.targetsOf(event).some(({ is, isRunning }) => is.replying && isRunning)
    if (this.route(n, event, !isAnswered) === 0) return "NoResponder"
    if (!isAnswered) return "NoReply"
    if (event.script === "give up" || event.script === "discard") return "refused"
    return event.script === "throw" || event.script === "fail for ever" ? "ResponderDied" : "answered"
  }

  private targetsOf(event: Event): ReadonlyArray<Queue> {
    return [...this.queues.values()].filter((queue) => queue.wants(routingKey(event)))
  }

  /** Adds an event to the queues that are bound for it, and returns their number. */
  private route(n: number, event: Event, isLate = false): number {
    const targets = this.targetsOf(event)
    for (const queue of targets) {
      this.enter(queue, { n, event, attempt: 1, retryCount: 0, fault: undefined, expires: event.expires, isLate })
    }
    return targets.length
  }

  private enter(queue: Queue, item: Item): void {
    if (queue.isRunning) return this.handle(queue, item)
    queue.add(item)
    this.expire(queue)
  }

  /** Expires messages at the head of a queue only, as RabbitMQ does. */
  private expire(queue: Queue): void {
    for (;;) {
      const [head, ...others] = queue.waiting
      if (head === undefined || !(head.expires || queue.is.brief)) return
      queue.waiting = others
      this.die(queue, head, expired(head))
    }
  }

  private die(queue: Queue, item: Item, fault: Observation.Sight["fault"]): void {
    const letters = this.queues.get(queue.deadLetterQueue ?? "")
    if (letters !== undefined) this.enter(letters, { ...item, attempt: 1, fault, expires: false })
  }

  /** Returns the keys of the dead letters of a queue. */
  private parkedBehind({ deadLetterQueue = "" }: Queue): Set<string> {
    return new Set(this.queues.get(deadLetterQueue)?.waiting.flatMap(({ key }) => key ?? []))
  }

  private handle(queue: Queue, item: Item): void {
    const { attempt, event, fault, n, retryCount } = item
    if (queue.is.typed && event.type !== "task.done") {
      return this.die(queue, item, [event.type === "task.failed" ? "InvalidPayload" : "UnknownEventType", 0])
    }
    if (queue.is.replying) {
      if (event.type !== "task.asked") return this.die(queue, item, ["UnknownEventType", 0])
      if (item.isLate) return
    }
    if (queue.is.ordered) {
      queue.parked ??= this.parkedBehind(queue)
      if (queue.parked.has(event.priority)) return this.die(queue, { ...item, key: event.priority }, ["parked", 0])
    }
    if (attempt > 1 && event.expires && !queue.isLetters) return this.die(queue, item, expired(item))
    const { priority } = event
    this.sights.push({ queue: queue.name, n, attempt, retryCount, priority, fault, routingKey: routingKey(event) })
    const isBusy = queue.isStopping
    if (isBusy) {
      queue.isStopping = queue.isRunning = false
      // Its handler is interrupted, which is not a failure.
      if (queue.is.hasty) return this.enter(queue, item)
    }
    const failure = failureOf(item, queue, isBusy)
    if (failure === undefined || failure === "Useless" || queue.is.once) return
    if (attempt >= (queue.is.replying ? 3 : (attempts[failure] ?? 1))) {
      const key = queue.is.ordered ? event.priority : undefined
      if (key !== undefined) queue.parked?.add(key)
      return this.die(queue, { ...item, key }, [failure, attempt])
    }
    // What waits for its next attempt in its place goes back as it is.
    if (isBusy && queue.is.ordered) return this.enter(queue, item)
    this.enter(queue, {
      ...item,
      attempt: attempt + 1,
      retryCount: Math.max(retryCount, attempt),
      // A dead letter keeps its fault.
      fault: queue.isLetters ? fault : [failure, attempt],
      expires: false
    })
  }
}

const expired = ({ attempt }: Item): Observation.Sight["fault"] => ["expired", attempt - 1]

/** Returns how far the order of a queue's events is certain. The kind is in the queue's name. */
export const orderOf =
  (operation: Operation) =>
  (queue: string): Observation.Order =>
    queue.startsWith("ordered")
      ? "by key"
      : queue.startsWith("serial")
        ? "by priority"
        : queue.startsWith("urgent") && (operation._tag === "Start" || operation._tag === "Resume")
          ? "total"
          : "none"
