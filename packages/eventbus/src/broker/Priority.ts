/**
 * The urgency of an event: the last word of its routing key.
 *
 * @since 0.1.0
 */

/**
 * One of the platform's four priorities.
 *
 * @category models
 * @since 0.1.0
 */
export type Priority = (typeof all)[number]

/**
 * Every priority, from the least to the most urgent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const all = ["low", "normal", "high", "critical"] as const

/**
 * Returns whether a value is one of the four priorities.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPriority = (u: unknown): u is Priority => u === "normal" || all.some((priority) => priority === u)
