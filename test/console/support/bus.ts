/** The contract of the application whose console is tested. */
import { Effect, Schema } from "effect"
import { EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"

/** A task of an agent. */
export const TaskSubmitted = EventType.make("task.submitted", {
  payload: Schema.Struct({
    task_id: Schema.NonEmptyString,
    tool: Schema.NonEmptyString,
    timeout_seconds: Schema.Int.check(Schema.isGreaterThan(0))
  })
})

export const queue = "agent.tasks"

export const tasks = Subscription.make(queue, { events: [TaskSubmitted], concurrency: 50 })

export const runTask = Handler.make(tasks, () => Effect.void).pipe(Handler.onFailure(FailurePolicy.deadLetter))
