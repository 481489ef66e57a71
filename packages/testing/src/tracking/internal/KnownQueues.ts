/**
 * The queues that were declared through a tracked broker, with their bindings and consumers.
 *
 * @internal
 */

import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as RoutingKey from "effect-eventbus/RoutingKey"

interface KnownQueue {
  readonly patterns: Set<string>
  deadLetterQueue: string | undefined
  messageTtl: number | undefined
  consumers: number
}

export class KnownQueues {
  private readonly byName = new Map<string, KnownQueue>()

  declare({ deadLetterQueue, messageTtl, name, patterns }: QueueSpec.QueueSpec): void {
    if (deadLetterQueue !== undefined) this.at(deadLetterQueue)
    const queue = this.at(name)
    patterns.forEach((pattern) => queue.patterns.add(pattern))
    // A subscription to dead letters shares the queue, and declares none of its arguments.
    if (QueueSpec.isDeadLetterQueue(name)) return
    queue.deadLetterQueue = deadLetterQueue
    queue.messageTtl = messageTtl
  }

  remove(name: string): void {
    this.byName.delete(name)
  }

  /** Counts a consumer that starts, or one that stops. */
  count(name: string, by: 1 | -1): void {
    this.at(name).consumers += by
  }

  isConsumed(name: string): boolean {
    return (this.byName.get(name)?.consumers ?? 0) > 0
  }

  /** Returns the time that a message may wait in a queue, in milliseconds. */
  ttlOf(name: string): number {
    return this.byName.get(name)?.messageTtl ?? Infinity
  }

  deadLetterQueueOf(name: string): string | undefined {
    return this.byName.get(name)?.deadLetterQueue
  }

  /** Returns the queues that are bound for a routing key. */
  route(routingKey: string): ReadonlyArray<string> {
    return [...this.byName].flatMap(([name, { patterns }]) =>
      [...patterns].some((pattern) => RoutingKey.matches(pattern, routingKey)) ? [name] : []
    )
  }

  private at(name: string): KnownQueue {
    const known = this.byName.get(name)
    if (known !== undefined) return known
    const queue: KnownQueue = { patterns: new Set(), deadLetterQueue: undefined, messageTtl: undefined, consumers: 0 }
    this.byName.set(name, queue)
    return queue
  }
}
