/**
 * Code that must compile, and code that must not. Nothing here runs: `npm run check` reads it, and an
 * `@ts-expect-error` above a line that compiles is an error.
 */
// @effect-diagnostics *:skip-file
import { AgentEvents } from "@effect-eventbus/agents"
import type { Effect, Schema } from "effect"
import { type Event, EventType, Handler, Subscription } from "effect-eventbus"

const { createAgentEvent, createPlanEvent, createStateEvent, createSystemEvent, createTaskEvent } = AgentEvents

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type EventOf<E> = E extends Effect.Effect<infer A> ? A : never
const isTrue = <_ extends true>() => {}

interface TaskPayload {
  readonly [key: string]: Schema.Json
  readonly task_id: string
}

// The event has the name of the very type that was asked for.
const completed = createTaskEvent(AgentEvents.TaskCompleted, { taskId: "t" })
isTrue<Equal<EventOf<typeof completed>["eventType"], "task.completed">>()
completed satisfies Effect.Effect<Event.Event<"task.completed", TaskPayload>>
// @ts-expect-error it is another type's event
completed satisfies Effect.Effect<Event.Event<"task.failed", TaskPayload>>

const failedPlan = createPlanEvent(AgentEvents.PlanStepFailed, { planId: "p", agentId: "a", serviceName: "s" })
isTrue<Equal<EventOf<typeof failedPlan>["eventType"], "plan.step_failed">>()
isTrue<Equal<EventOf<typeof failedPlan>["payload"]["plan_id"], string>>()

const saved = createStateEvent(AgentEvents.StateSaved, { agentId: "a", stateInfo: { size: 1, parts: [null, "x"] } })
saved satisfies Effect.Effect<Event.Event<"state.saved", Schema.JsonObject>>
createAgentEvent(AgentEvents.AgentStarted, { agentId: "a" }) satisfies Effect.Effect<Event.Event<"agent.started">>
createSystemEvent(AgentEvents.SystemShutdown, { serviceName: "s" }) satisfies Effect.Effect<
  Event.Event<"system.shutdown">
>

// Each creator takes the types of its own family.
// @ts-expect-error not an agent's
createAgentEvent(AgentEvents.StateSaved, { agentId: "a" })
// @ts-expect-error not an agent's
createAgentEvent(AgentEvents.TaskStarted, { agentId: "a" })
// @ts-expect-error not a task's
createTaskEvent(AgentEvents.PlanStarted, { taskId: "t" })
// @ts-expect-error not a task's
createTaskEvent(AgentEvents.AgentStarted, { taskId: "t" })
// @ts-expect-error not a state's
createStateEvent(AgentEvents.SystemShutdown, { agentId: "a" })
// @ts-expect-error not a plan's
createPlanEvent(AgentEvents.TaskStarted, { planId: "p" })
// @ts-expect-error not the system's
createSystemEvent(AgentEvents.AgentStarted, { serviceName: "s" })

// A platform's own types of a family count to it, if they have its payload.
createTaskEvent(EventType.make("task.paused", { payload: AgentEvents.TaskPayload }), { taskId: "t" })
createAgentEvent(EventType.untyped("agent.promoted"), { agentId: "a" })
// @ts-expect-error it has no task_id
createTaskEvent(EventType.untyped("task.paused"), { taskId: "t" })

// Each has to say who or what it is about, with JSON.
// @ts-expect-error no agent
createAgentEvent(AgentEvents.AgentStarted, {})
// @ts-expect-error no task
createTaskEvent(AgentEvents.TaskStarted, { agentId: "a" })
// @ts-expect-error no agent
createStateEvent(AgentEvents.StateSaved, {})
// @ts-expect-error no plan
createPlanEvent(AgentEvents.PlanStarted, {})
// @ts-expect-error no service
createSystemEvent(AgentEvents.SystemShutdown, {})
// @ts-expect-error a date is no JSON
createTaskEvent(AgentEvents.TaskStarted, { taskId: "t", taskData: { at: new Date() } })
// @ts-expect-error a state has no service
createStateEvent(AgentEvents.StateSaved, { agentId: "a", serviceName: "s" })
// @ts-expect-error who speaks is said by agentId
createAgentEvent(AgentEvents.AgentStarted, { agentId: "a", sourceAgentId: "b" })

// A subscription to all of them narrows to each of them.
Handler.make(Subscription.make("all", { events: AgentEvents.all }), (event) => {
  if (event.eventType === "task.failed") isTrue<Equal<typeof event.payload.task_id, string>>()
  // @ts-expect-error there is no such type
  if (event.eventType === "task.lost") return completed
  return completed
})
