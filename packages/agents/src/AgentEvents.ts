/**
 * The event types of the agent platform, and the functions that create their events.
 *
 * There are five families of types: `agent.*`, `task.*`, `state.*`, `plan.*` and
 * `system.*`. One function for each family creates its events. It sets the agent or
 * service that the event comes from, and puts the id of a task or a plan into the
 * payload, where the services of the platform expect it. The rest of a payload is any
 * JSON.
 *
 * Use the types like event types of your own: publish their events, and subscribe to
 * the types or to patterns.
 *
 * **Example** (Submitting a task and working on it)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Deferred, Effect } from "effect"
 * import { EventBus, Handler, Subscription } from "effect-eventbus"
 * import { AgentEvents } from "@effect-eventbus/agents"
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   const received = yield* Deferred.make<string>()
 *
 *   const worker = Handler.make(
 *     Subscription.make("worker", { events: [AgentEvents.TaskSubmitted] }),
 *     (event) => Deferred.succeed(received, event.payload.task_id)
 *   )
 *   yield* bus.subscribe(worker)
 *
 *   const submitted = yield* AgentEvents.createTaskEvent(AgentEvents.TaskSubmitted, {
 *     taskId: "task-1",
 *     taskData: { question: "What is an event?" },
 *     serviceName: "orchestrator",
 *     priority: "high"
 *   })
 *   yield* bus.publish(submitted)
 *
 *   assert.strictEqual(yield* Deferred.await(received), "task-1")
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @since 0.1.0
 */

import type * as Event from "effect-eventbus/Event"
import * as EventType from "effect-eventbus/EventType"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * The payload of task events: the task's id, and any other JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskPayload = Schema.StructWithRest(Schema.Struct({ task_id: Schema.String }), [Schema.JsonObject])

/**
 * The payload of plan events: the plan's id, and any other JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PlanPayload = Schema.StructWithRest(Schema.Struct({ plan_id: Schema.String }), [Schema.JsonObject])

const taskType = <const Name extends `task.${string}`>(name: Name) => EventType.make(name, { payload: TaskPayload })
const planType = <const Name extends `plan.${string}`>(name: Name) => EventType.make(name, { payload: PlanPayload })

/**
 * `agent.started`: an agent has started.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentStarted = EventType.untyped("agent.started")

/**
 * `agent.stopped`: an agent has stopped.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentStopped = EventType.untyped("agent.stopped")

/**
 * `agent.error`: an agent has had an error.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentError = EventType.untyped("agent.error")

/**
 * `agent.heartbeat`: an agent is still running.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentHeartbeat = EventType.untyped("agent.heartbeat")

/**
 * `task.submitted`: a task is waiting to be done.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskSubmitted = taskType("task.submitted")

/**
 * `task.started`: an agent has started a task.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskStarted = taskType("task.started")

/**
 * `task.completed`: a task is done.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskCompleted = taskType("task.completed")

/**
 * `task.failed`: a task could not be done.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskFailed = taskType("task.failed")

/**
 * `task.timeout`: a task was not done in time.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskTimeout = taskType("task.timeout")

/**
 * `task.cancelled`: a task is no longer wanted.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskCancelled = taskType("task.cancelled")

/**
 * `state.saved`: an agent has saved its state.
 *
 * @category state events
 * @since 0.1.0
 */
export const StateSaved = EventType.untyped("state.saved")

/**
 * `state.loaded`: an agent has loaded its state.
 *
 * @category state events
 * @since 0.1.0
 */
export const StateLoaded = EventType.untyped("state.loaded")

/**
 * `state.recovered`: an agent has recovered its state after a failure.
 *
 * @category state events
 * @since 0.1.0
 */
export const StateRecovered = EventType.untyped("state.recovered")

/**
 * `plan.created`: a plan has been created.
 *
 * @category plan events
 * @since 0.1.0
 */
export const PlanCreated = planType("plan.created")

/**
 * `plan.started`: a plan has been started.
 *
 * @category plan events
 * @since 0.1.0
 */
export const PlanStarted = planType("plan.started")

/**
 * `plan.step_completed`: one step of a plan is done.
 *
 * @category plan events
 * @since 0.1.0
 */
export const PlanStepCompleted = planType("plan.step_completed")

/**
 * `plan.step_failed`: one step of a plan could not be done.
 *
 * @category plan events
 * @since 0.1.0
 */
export const PlanStepFailed = planType("plan.step_failed")

/**
 * `plan.completed`: a plan is done.
 *
 * @category plan events
 * @since 0.1.0
 */
export const PlanCompleted = planType("plan.completed")

/**
 * `plan.failed`: a plan could not be done.
 *
 * @category plan events
 * @since 0.1.0
 */
export const PlanFailed = planType("plan.failed")

/**
 * `system.shutdown`: a service is about to shut down.
 *
 * @category system events
 * @since 0.1.0
 */
export const SystemShutdown = EventType.untyped("system.shutdown")

/**
 * `system.health_check`: a service reports its health.
 *
 * @category system events
 * @since 0.1.0
 */
export const SystemHealthCheck = EventType.untyped("system.health_check")

/**
 * All event types of the platform.
 *
 * **Example** (Receiving every event of the platform with its type)
 *
 * ```ts
 * import { Console } from "effect"
 * import { Handler, Subscription } from "effect-eventbus"
 * import { AgentEvents } from "@effect-eventbus/agents"
 *
 * const audit = Handler.make(Subscription.make("audit", { events: AgentEvents.all }), (event) =>
 *   event.eventType === "task.failed"
 *     ? Console.warn(`The task ${event.payload.task_id} failed`)
 *     : Console.log(event.eventType)
 * )
 * ```
 *
 * @category event types
 * @since 0.1.0
 */
export const all = [
  AgentStarted,
  AgentStopped,
  AgentError,
  AgentHeartbeat,
  TaskSubmitted,
  TaskStarted,
  TaskCompleted,
  TaskFailed,
  TaskTimeout,
  TaskCancelled,
  StateSaved,
  StateLoaded,
  StateRecovered,
  PlanCreated,
  PlanStarted,
  PlanStepCompleted,
  PlanStepFailed,
  PlanCompleted,
  PlanFailed,
  SystemShutdown,
  SystemHealthCheck
] as const

/**
 * All event types of the platform, by name.
 *
 * @category event types
 * @since 0.1.0
 */
export const byName: ReadonlyMap<string, (typeof all)[number]> = new Map(all.map((type) => [type.name, type]))

/**
 * Options of all five functions: the options of an event, without its source, which
 * each family sets in its own way.
 *
 * **Details**
 *
 * Inside a handler, `traceId` and `executionId` default to those of the event being
 * handled, and `parentEventId` to its id.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Event.Options, "sourceAgentId" | "sourceService"> {}

/**
 * Options of the functions whose events come from an agent, a service, or both.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpeakerOptions extends Options {
  /** The agent that the event comes from: its `sourceAgentId`. */
  readonly agentId?: string | undefined
  /** The service that the event comes from: its `sourceService`. */
  readonly serviceName?: string | undefined
}

const toEventOptions = ({ agentId, serviceName, ...options }: SpeakerOptions): Event.Options => ({
  ...options,
  sourceAgentId: agentId,
  sourceService: serviceName
})

/** An event type whose payload is any JSON object. */
type Untyped<Name extends string> = EventType.EventType<Name, typeof Schema.JsonObject>

/**
 * Creates an event about an agent.
 *
 * **Example** (Reporting that an agent has started)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AgentEvents } from "@effect-eventbus/agents"
 *
 * await Effect.runPromise(
 *   AgentEvents.createAgentEvent(AgentEvents.AgentStarted, {
 *     agentId: "agent-1",
 *     agentData: { version: "1.0.0", capabilities: ["chat"] }
 *   })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createAgentEvent = <Name extends `agent.${string}`>(
  type: Untyped<Name>,
  options: Options & {
    readonly agentId: string
    readonly agentData?: Schema.JsonObject | undefined
  }
): Effect.Effect<Event.Event<Name, Schema.JsonObject>> => {
  const { agentData, ...rest } = options
  return type.event(agentData ?? {}, toEventOptions(rest))
}

/**
 * Creates an event about a task.
 *
 * **Details**
 *
 * The payload is the task data with the task's id as `task_id`, which replaces any
 * `task_id` in the data.
 *
 * **Example** (Reporting that a task is done)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect } from "effect"
 * import { AgentEvents } from "@effect-eventbus/agents"
 *
 * const event = await Effect.runPromise(
 *   AgentEvents.createTaskEvent(AgentEvents.TaskCompleted, {
 *     taskId: "task-1",
 *     taskData: { seconds: 1.5 },
 *     agentId: "agent-1"
 *   })
 * )
 * assert.deepStrictEqual(event.payload, { seconds: 1.5, task_id: "task-1" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createTaskEvent = <Name extends `task.${string}`>(
  type: EventType.EventType<Name, typeof TaskPayload>,
  options: SpeakerOptions & {
    readonly taskId: string
    readonly taskData?: Schema.JsonObject | undefined
  }
): Effect.Effect<Event.Event<Name, typeof TaskPayload.Type>> => {
  const { taskData, taskId, ...rest } = options
  return type.event({ ...taskData, task_id: taskId }, toEventOptions(rest))
}

/**
 * Creates an event about an agent's state.
 *
 * **Example** (Reporting a checkpoint)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AgentEvents } from "@effect-eventbus/agents"
 *
 * await Effect.runPromise(
 *   AgentEvents.createStateEvent(AgentEvents.StateSaved, {
 *     agentId: "agent-1",
 *     stateInfo: { checkpoint_id: "cp-1", size_bytes: 1024 }
 *   })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createStateEvent = <Name extends `state.${string}`>(
  type: Untyped<Name>,
  options: Options & {
    readonly agentId: string
    readonly stateInfo?: Schema.JsonObject | undefined
  }
): Effect.Effect<Event.Event<Name, Schema.JsonObject>> => {
  const { stateInfo, ...rest } = options
  return type.event(stateInfo ?? {}, toEventOptions(rest))
}

/**
 * Creates an event about a plan.
 *
 * **Details**
 *
 * The payload is the plan data with the plan's id as `plan_id`, which replaces any
 * `plan_id` in the data.
 *
 * **Example** (Reporting a failed step urgently)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AgentEvents } from "@effect-eventbus/agents"
 *
 * await Effect.runPromise(
 *   AgentEvents.createPlanEvent(AgentEvents.PlanStepFailed, {
 *     planId: "plan-1",
 *     planData: { step: 3, reason: "no route" },
 *     serviceName: "planner",
 *     priority: "critical"
 *   })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createPlanEvent = <Name extends `plan.${string}`>(
  type: EventType.EventType<Name, typeof PlanPayload>,
  options: SpeakerOptions & {
    readonly planId: string
    readonly planData?: Schema.JsonObject | undefined
  }
): Effect.Effect<Event.Event<Name, typeof PlanPayload.Type>> => {
  const { planData, planId, ...rest } = options
  return type.event({ ...planData, plan_id: planId }, toEventOptions(rest))
}

/**
 * Creates an event about the system.
 *
 * **Example** (Announcing a shutdown)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AgentEvents } from "@effect-eventbus/agents"
 *
 * await Effect.runPromise(
 *   AgentEvents.createSystemEvent(AgentEvents.SystemShutdown, {
 *     serviceName: "orchestrator",
 *     systemData: { reason: "deployment" }
 *   })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createSystemEvent = <Name extends `system.${string}`>(
  type: Untyped<Name>,
  options: Options & {
    readonly serviceName: string
    readonly systemData?: Schema.JsonObject | undefined
  }
): Effect.Effect<Event.Event<Name, Schema.JsonObject>> => {
  const { systemData, ...rest } = options
  return type.event(systemData ?? {}, toEventOptions(rest))
}
