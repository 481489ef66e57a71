/**
 * The workers of the demo, which share one queue of tasks.
 *
 * @since 0.1.0
 */

import { AgentEvents } from "@effect-eventbus/agents"
import { FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Script from "./Script.ts"
import * as Stage from "./Stage.ts"

/** A transient failure. */
class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {}) {
  override get message(): string {
    return "the model is rate limited"
  }
}

/** A permanent failure. */
class UnknownTool extends Schema.TaggedError<UnknownTool>()("UnknownTool", { tool: Schema.String }) {
  override get message(): string {
    return `no such tool: ${this.tool}`
  }
}

const fates = new Map(Script.tasks.map(({ fate, id }) => [id, fate]))

const attemptTask = (taskId: string, attempt: number): Effect.Effect<void, RateLimited | UnknownTool> => {
  const fate = fates.get(taskId)
  if (fate === "unknown-tool") return Effect.fail(new UnknownTool({ tool: "oracle" }))
  if (typeof fate === "object" && attempt <= fate.fails) return Effect.fail(new RateLimited())
  return Effect.void
}

/** Returns a duration that differs between tasks, and is the same in each run. */
const workTime = (taskId: string) => 250 + ((Number(taskId.slice(2)) * 137) % 300)

const tasks = Subscription.make(Stage.queues.tasks, {
  events: [AgentEvents.TaskSubmitted],
  patterns: [Stage.routingKey("task.submitted", "*")],
  concurrency: 1
})

/**
 * The failure policy of the workers.
 *
 * @category policies
 * @since 0.1.0
 */
export const policy = FailurePolicy.tags({
  RateLimited: FailurePolicy.retry(
    Schedule.exponential("200 millis").pipe(Schedule.upTo({ times: Script.maxRetries }))
  ),
  UnknownTool: FailurePolicy.deadLetter,
  PublishError: FailurePolicy.retryUpToMax,
  TimeoutError: FailurePolicy.retryUpToMax
})

/**
 * Makes a worker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (stage: Stage.Stage, agentId: string) =>
  Handler.make(tasks, (event, { attempt }) => {
    if (!Stage.isOurs(stage, event)) return Effect.void
    const taskId = event.payload.task_id
    stage.ledger.enterAttempt(event.eventId, attempt)
    return Effect.gen(function* () {
      yield* stage.publish(
        yield* AgentEvents.createTaskEvent(AgentEvents.TaskStarted, { taskId, agentId, taskData: { attempt } })
      )
      yield* Effect.sleep(workTime(taskId))
      yield* attemptTask(taskId, attempt)
      yield* stage.publish(
        yield* AgentEvents.createTaskEvent(AgentEvents.TaskCompleted, { taskId, agentId, taskData: { attempt } })
      )
    }).pipe(
      Effect.tapError((error) =>
        stage.screen.show({
          who: agentId,
          what: "failed",
          style: "yellow",
          task: taskId,
          detail: `attempt ${attempt}: ${error.message}`
        })
      )
    )
  }).pipe(Handler.timeout("1 minute"), Handler.onFailure(policy))
