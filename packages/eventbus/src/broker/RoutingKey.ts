/**
 * Routing keys, and the topic patterns that select them.
 *
 * An event is published with the key `{event_type}.{priority}`. A subscription selects
 * keys by patterns of dotted words. In a pattern, `*` stands for exactly one word and
 * `#` for any number of words, including none
 * (https://www.rabbitmq.com/tutorials/tutorial-five-javascript).
 *
 * @since 0.1.0
 */

import type { Priority } from "./Priority.ts"

/**
 * Returns the default routing key of an event.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (eventType: string, priority: Priority): string => `${eventType}.${priority}`

/** The limit of an AMQP short string: AMQP 0-9-1, section 4.2.5.3. */
const maxBytes = 255

const encoder = new TextEncoder()

const checkLength = (what: string, value: string): void => {
  if (value === "") throw new RangeError(`A ${what} must not be empty`)
  // No character takes more than three bytes a code unit.
  const bytes = value.length * 3 <= maxBytes ? 0 : encoder.encode(value).length
  if (bytes > maxBytes) {
    throw new RangeError(`A ${what} has at most ${maxBytes} bytes, but this one has ${bytes}: "${value.slice(0, 60)}…"`)
  }
}

/**
 * Returns the routing key, or throws a `RangeError` when it is empty or longer
 * than 255 bytes.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (key: string): string => {
  checkLength("routing key", key)
  return key
}

/**
 * Returns the pattern, or throws a `RangeError` when no routing key can match it: it
 * has an empty word, or a wildcard that is only part of a word.
 *
 * @category guards
 * @since 0.1.0
 */
export const checkPattern = (pattern: string): string => {
  checkLength("pattern", pattern)
  for (const word of pattern.split(".")) {
    if (word === "") throw new RangeError(`A pattern must not have empty words: "${pattern}"`)
    if (word.length > 1 && /[*#]/.test(word)) {
      throw new RangeError(`A wildcard must be a word of its own, but "${pattern}" has the word "${word}"`)
    }
  }
  return pattern
}

/**
 * Returns whether a pattern selects a routing key.
 *
 * **Example** (Matching one word, and any number of words)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { RoutingKey } from "effect-eventbus"
 *
 * assert.ok(RoutingKey.matches("task.*.critical", "task.failed.critical"))
 * assert.ok(RoutingKey.matches("task.#", "task"))
 * assert.ok(!RoutingKey.matches("task.*", "task.failed.critical"))
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const matches = (pattern: string, key: string): boolean => {
  const words = key.split(".")
  // reached[i]: the pattern so far matches the first i words.
  let reached = words.map((_, i) => i === 0).concat(words.length === 0)
  for (const token of pattern.split(".")) {
    const next = reached.map(() => false)
    let open = false
    for (let i = 0; i <= words.length; i++) {
      if (token === "#") next[i] = open = open || reached[i] === true
      else if (i > 0) next[i] = reached[i - 1] === true && (token === "*" || token === words[i - 1])
    }
    reached = next
  }
  return reached[words.length] === true
}
