/**
 * The event types of the agent platform, and the functions that make events of
 * them.
 *
 * Agents work on tasks, save their state, and follow plans; the system around
 * them has a life of its own. For each of these five there is a family of types,
 * named `agent.*`, `task.*`, `state.*`, `plan.*` and `system.*`, and one function
 * that makes events of the family. They say which agent or service speaks, and
 * put the id of a task or a plan into the payload, where every service of the
 * platform looks for it. The rest of a payload is any JSON.
 *
 * Everything else is as with event types of your own: publish the events, and
 * subscribe to the types or to patterns.
 *
 * **Example** (Submitting a task, and working on it)
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
 * The payload of a task's events: the task's id, and any other JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskPayload = Schema.StructWithRest(Schema.Struct({ task_id: Schema.String }), [Schema.JsonObject])

/**
 * The payload of a plan's events: the plan's id, and any other JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PlanPayload = Schema.StructWithRest(Schema.Struct({ plan_id: Schema.String }), [Schema.JsonObject])

const taskType = <const Name extends `task.${string}`>(name: Name) => EventType.make(name, { payload: TaskPayload })
const planType = <const Name extends `plan.${string}`>(name: Name) => EventType.make(name, { payload: PlanPayload })

/**
 * `agent.started`: an agent is up.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentStarted = EventType.untyped("agent.started")

/**
 * `agent.stopped`: an agent has ended.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentStopped = EventType.untyped("agent.stopped")

/**
 * `agent.error`: something went wrong in an agent.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentError = EventType.untyped("agent.error")

/**
 * `agent.heartbeat`: an agent is still there.
 *
 * @category agent events
 * @since 0.1.0
 */
export const AgentHeartbeat = EventType.untyped("agent.heartbeat")

/**
 * `task.submitted`: someone wants a task done.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskSubmitted = taskType("task.submitted")

/**
 * `task.started`: an agent works on a task.
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
 * `task.cancelled`: nobody wants a task done any more.
 *
 * @category task events
 * @since 0.1.0
 */
export const TaskCancelled = taskType("task.cancelled")

/**
 * `state.saved`: an agent's state is in the store.
 *
 * @category state events
 * @since 0.1.0
 */
export const StateSaved = EventType.untyped("state.saved")

/**
 * `state.loaded`: an agent has its state from the store.
 *
 * @category state events
 * @since 0.1.0
 */
export const StateLoaded = EventType.untyped("state.loaded")

/**
 * `state.recovered`: an agent has its state again after a failure.
 *
 * @category state events
 * @since 0.1.0
 */
export const StateRecovered = EventType.untyped("state.recovered")

/**
 * `plan.created`: there is a plan.
 *
 * @category plan events
 * @since 0.1.0
 */
export const PlanCreated = planType("plan.created")

/**
 * `plan.started`: a plan is being followed.
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
 * `system.shutdown`: a service is about to end.
 *
 * @category system events
 * @since 0.1.0
 */
export const SystemShutdown = EventType.untyped("system.shutdown")

/**
 * `system.health_check`: a service says how it is.
 *
 * @category system events
 * @since 0.1.0
 */
export const SystemHealthCheck = EventType.untyped("system.health_check")

/**
 * All of the platform's event types.
 *
 * **Example** (Receiving every event of the platform, each with its type)
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
 * All of the platform's event types, by their names.
 *
 * @category event types
 * @since 0.1.0
 */
export const byName: ReadonlyMap<string, (typeof all)[number]> = new Map(all.map((type) => [type.name, type]))

/**
 * What all five functions take: whatever an event may say beside its payload,
 * except for who speaks, which each family says in its own way.
 *
 * **Details**
 *
 * Inside of a handler, `traceId`, `executionId` and `parentEventId` are those of
 * the event being handled, unless they are given here.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Event.Options, "sourceAgentId" | "sourceService"> {}

/**
 * What the functions take where an agent, a service, or both may speak.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpeakerOptions extends Options {
  /** The agent that speaks: the event's `sourceAgentId`. */
  readonly agentId?: string | undefined
  /** The service that speaks: the event's `sourceService`. */
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
 * Makes an event of an agent's life.
 *
 * **Example** (An agent that has started)
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
 * Makes an event of a task.
 *
 * **Details**
 *
 * The payload is the task data with the task's id as `task_id`, which takes the
 * place of a `task_id` in the data.
 *
 * **Example** (A task that is done)
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
 * Makes an event of an agent's state.
 *
 * **Example** (A checkpoint)
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
 * Makes an event of a plan.
 *
 * **Details**
 *
 * The payload is the plan data with the plan's id as `plan_id`, which takes the
 * place of a `plan_id` in the data.
 *
 * **Example** (A step that failed, urgently)
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
 * Makes an event of the system.
 *
 * **Example** (A service that is about to end)
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
