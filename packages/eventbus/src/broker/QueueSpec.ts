/**
 * The description of a queue, and the names of queues.
 *
 * @since 0.1.0
 */

/**
 * A queue to declare and to consume.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueSpec {
  readonly name: string
  /** The patterns of the routing keys that the queue receives. Empty for a queue of dead letters. */
  readonly patterns: ReadonlyArray<string>
  /** The number of deliveries that are handled at once. `undefined`: the broker's configured prefetch. */
  readonly concurrency: number | undefined
  /** The number of deliveries that may be unsettled at once. Default: the concurrency. */
  readonly prefetch?: number | undefined
  /** The name of the queue for its dead letters, if it has one. */
  readonly deadLetterQueue: string | undefined
  /** The longest time that a message may wait in the queue, in milliseconds. */
  readonly messageTtl: number | undefined
  /** Whether more urgent messages overtake the others. */
  readonly priorities: boolean
  /**
   * Whether only one of its consumers receives messages at a time, and another one takes
   * over when its channel has closed. Default: `false`.
   */
  readonly singleActive?: boolean | undefined
  /** Whether the queue belongs to this consumer alone, and is deleted with it. */
  readonly temporary: boolean
  /**
   * The time that a temporary queue keeps its messages for a consumer that has lost its
   * connection, in milliseconds. `undefined`: the queue is deleted with the connection.
   */
  readonly reconnectWithin?: number | undefined
}

const namePattern = /^[A-Za-z0-9._-]+$/
const deadLetterPrefix = "dlq."
/** RabbitMQ keeps the names that begin with it for itself; what runs in memory is to run there, too. */
const reservedPrefix = "amq."
/** Leaves room in 255 bytes for the longer names of the queues that belong to a queue. */
const maxName = 180

/**
 * Returns the name of the queue that keeps the dead letters of a queue.
 *
 * @category getters
 * @since 0.1.0
 */
export const deadLetterQueueOf = (queue: string): string => `${deadLetterPrefix}${queue}`

/**
 * Returns whether a queue keeps dead letters.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isDeadLetterQueue = (queue: string): boolean => queue.startsWith(deadLetterPrefix)

/**
 * Returns the number of deliveries that a consumer of a queue may hold unsettled.
 *
 * @category getters
 * @since 0.1.0
 */
export const prefetchOf = ({ concurrency, prefetch }: QueueSpec, configured: number): number =>
  prefetch ?? concurrency ?? configured

/**
 * Returns the queue whose dead letters a queue keeps, or its own name where it keeps none.
 *
 * @category getters
 * @since 0.1.0
 */
export const originOf = (queue: string): string =>
  isDeadLetterQueue(queue) ? queue.slice(deadLetterPrefix.length) : queue

/**
 * Returns the name, or throws a `RangeError` when no queue can have it.
 *
 * @category guards
 * @since 0.1.0
 */
export const checkQueue = (queue: string): string => {
  if (!namePattern.test(queue) || queue.length > maxName) {
    throw new RangeError(
      `A queue is named by 1 to ${maxName} letters, digits, ".", "_" and "-", not "${queue.slice(0, 200)}"`
    )
  }
  if (queue.startsWith(reservedPrefix)) {
    throw new RangeError(
      `A queue's name may not begin with "${reservedPrefix}", which RabbitMQ keeps for itself: "${queue}"`
    )
  }
  return queue
}
