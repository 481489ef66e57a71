/** The event types that the tests publish, and the error that their handlers fail with. */

import { EventType, FailurePolicy } from "effect-eventbus"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

export const TaskDone = EventType.make("task.done", { payload: Schema.Struct({ n: Schema.Int }) })
export const TaskFailed = EventType.make("task.failed", { payload: Schema.Struct({ why: Schema.String }) })
export const UserJoined = EventType.make("user.joined", { payload: Schema.Struct({ name: Schema.String }) })

export class Flaky extends Schema.TaggedError<Flaky>()("Flaky", { n: Schema.Int }) {
  override get message() {
    return `failed at ${this.n}`
  }
}

/** Retries a failure a number of times, each time after 20 milliseconds. */
export const soon = (times: number) => FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times })))
