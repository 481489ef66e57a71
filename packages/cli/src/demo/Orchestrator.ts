/**
 * The orchestrator of the demo: it follows the plan step by step, and continues when
 * every task of a step has ended.
 *
 * @since 0.1.0
 */

import { AgentEvents } from "@effect-eventbus/agents"
import { type Event, EventType } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Script from "./Script.ts"
import type { Stage } from "./Stage.ts"

const serviceName = "orchestrator"
const planId = "quarterly-report"

/** An invalid event of another service: a `task.submitted` without the id of a task. */
const Malformed = EventType.untyped("task.submitted")

const submit = Effect.fnUntraced(function* (stage: Stage, { fate, id, title }: Script.Task) {
  const { traceId } = stage
  const event: Event.Event =
    fate === "malformed"
      ? yield* Malformed.event({ task: id, title }, { traceId, sourceService: "legacy" })
      : yield* AgentEvents.createTaskEvent(AgentEvents.TaskSubmitted, {
          taskId: id,
          taskData: { title },
          serviceName,
          traceId
        })
  stage.ledger.enterSubmitted(event.eventId, id)
  yield* stage.screen.show({ who: serviceName, what: "submitted", style: "cyan", task: id, detail: title })
  yield* stage.publish(event)
  yield* Effect.sleep("100 millis")
  return event.eventId
})

const follow = Effect.fnUntraced(function* (stage: Stage, { name, tasks }: Script.Step, step: number) {
  const { traceId } = stage
  const say = (what: string, detail: string) =>
    stage.screen.show({ who: serviceName, what, style: "bold", task: `${step}/${Script.steps.length}`, detail })
  yield* say("step begins", name)
  const submitted = yield* Effect.forEach(tasks, (task) => submit(stage, task))
  const outcomes = yield* stage.ledger.awaitEnds(submitted)
  const completed = outcomes.filter((outcome) => outcome === "completed").length
  const planData = { step, name, completed, dead_lettered: outcomes.length - completed }
  yield* stage.publish(
    yield* AgentEvents.createPlanEvent(AgentEvents.PlanStepCompleted, { planId, planData, serviceName, traceId })
  )
  yield* say("step done", `${completed} of ${tasks.length} tasks completed`)
})

/**
 * Follows the plan to its end.
 *
 * @category running
 * @since 0.1.0
 */
export const followPlan = Effect.fnUntraced(function* (stage: Stage) {
  const options = { planId, serviceName, traceId: stage.traceId }
  yield* stage.publish(yield* AgentEvents.createPlanEvent(AgentEvents.PlanCreated, options))
  yield* stage.publish(yield* AgentEvents.createPlanEvent(AgentEvents.PlanStarted, options))
  yield* Effect.forEach(Script.steps, (step, i) => follow(stage, step, i + 1))
  yield* stage.publish(yield* AgentEvents.createPlanEvent(AgentEvents.PlanCompleted, options))
})
