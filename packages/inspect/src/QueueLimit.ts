/**
 * How much a queue may keep, by its arguments and policies, and how much it has.
 *
 * @since 0.1.0
 */

/**
 * A queue with a limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueLimit {
  readonly name: string
  /** The messages that wait. */
  readonly messages: number
  /** Their bytes. */
  readonly bytes: number
  /** `undefined` where any number may wait. */
  readonly maxMessages: number | undefined
  /** `undefined` where they may have any size. */
  readonly maxBytes: number | undefined
  /** Whether a full queue takes no more messages. Otherwise it loses its oldest ones. */
  readonly rejects: boolean
}

/** The arguments of a queue, or what its policies define. */
type Definition = Readonly<Record<string, unknown>>

const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined)

/** Of two limits the smaller one counts, as in RabbitMQ. */
const least = (...limits: ReadonlyArray<number | undefined>): number | undefined => {
  const known = limits.filter((limit) => limit !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/**
 * Returns the limit of a queue with these arguments and policies, or `undefined` if it has
 * none.
 *
 * **Example** (A queue of dead letters with a policy)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { QueueLimit } from "@effect-eventbus/inspect"
 *
 * const limit = QueueLimit.make({
 *   name: "dlq.billing",
 *   messages: 1000,
 *   bytes: 52_000,
 *   arguments: { "x-overflow": "reject-publish" },
 *   policy: { "max-length": 1000 }
 * })
 *
 * assert.deepStrictEqual([limit?.rejects, limit !== undefined && QueueLimit.isFull(limit)], [true, true])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (queue: {
  readonly name: string
  readonly messages: number
  readonly bytes: number
  readonly arguments: Definition
  readonly policy: Definition
}): QueueLimit | undefined => {
  const { arguments: args, bytes, messages, name, policy } = queue
  const limitOf = (key: string) => least(numberOf(args[`x-${key}`]), numberOf(policy[key]))
  const maxMessages = limitOf("max-length")
  const maxBytes = limitOf("max-length-bytes")
  if (maxMessages === undefined && maxBytes === undefined) return undefined
  const overflow = args["x-overflow"] ?? policy["overflow"]
  const rejects = typeof overflow === "string" && overflow.startsWith("reject-publish")
  return { name, messages, bytes, maxMessages, maxBytes, rejects }
}

/**
 * Returns whether a queue has reached its limit.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isFull = ({ bytes, maxBytes = Infinity, maxMessages = Infinity, messages }: QueueLimit): boolean =>
  messages >= maxMessages || bytes >= maxBytes
