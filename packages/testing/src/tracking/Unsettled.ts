/**
 * The error of a session that does not come to rest.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

/**
 * The failure of a session that does not come to rest. Its message has the timeline.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unsettled extends Schema.TaggedError<Unsettled>("@effect-eventbus/testing/Unsettled")("Unsettled", {
  /** The bound that was reached, and what still goes on. */
  detail: Schema.String,
  timeline: Schema.String
}) {
  override get message(): string {
    return `${this.detail}\n${this.timeline}`
  }
}
