import { AgentEvents } from "@effect-eventbus/agents"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Queue, Result } from "effect"
import { Correlation, type Event, EventBus, EventCodec, Handler, Subscription } from "effect-eventbus"

const family = (name: string, ...types: ReadonlyArray<string>) => types.map((type) => `${name}.${type}`)
const names = [
  family("agent", "started", "stopped", "error", "heartbeat"),
  family("task", "submitted", "started", "completed", "failed", "timeout", "cancelled"),
  family("state", "saved", "loaded", "recovered"),
  family("plan", "created", "started", "step_completed", "step_failed", "completed", "failed"),
  family("system", "shutdown", "health_check")
].flat()

const read = EventCodec.decoder(AgentEvents.all)
const write = (event: Event.Event) => Result.getOrThrow(EventCodec.encode(event))

const id = (n: number) => `1f0b5c1e-0000-4000-8000-00000000000${n}`

describe("AgentEvents", () => {
  it("has the platform's 21 types, in the platform's order", () => {
    assert.deepStrictEqual(
      AgentEvents.all.map((type) => type.name),
      names
    )
  })

  it("exports each type under its name", () => {
    const pascal = (name: string) => name.replace(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase())
    for (const type of AgentEvents.all) {
      assert.strictEqual(Reflect.get(AgentEvents, pascal(type.name)), type, type.name)
      assert.strictEqual(AgentEvents.byName.get(type.name), type)
    }
    assert.strictEqual(AgentEvents.byName.size, 21)
    assert.isUndefined(AgentEvents.byName.get("toString"))
  })

  for (const type of AgentEvents.all) {
    const key = { task: "task_id", plan: "plan_id" }[type.name.replace(/\..*/, "")]
    const other = { a: [1, null, { b: "c" }] }

    it(`asks of the payload of ${type.name} ${key === undefined ? "no more than an object" : `a ${key}`}`, () => {
      const payload = key === undefined ? other : { ...other, [key]: "x" }
      assert.deepStrictEqual(Result.getOrThrow(type.decodePayload(payload)), payload)
      const without = key === undefined ? [[], null, "text"] : [other, { [key]: 1 }, { [key]: null }]
      for (const wrong of without) assert.isTrue(Result.isFailure(type.decodePayload(wrong)), JSON.stringify(wrong))
    })
  }

  const options = {
    eventId: id(1),
    traceId: id(2),
    executionId: id(3),
    parentEventId: id(4),
    priority: "critical",
    ttlSeconds: 60,
    maxRetries: 7,
    timestamp: DateTime.makeUnsafe("2026-01-15T09:30:00Z")
  } as const

  const created = {
    createAgentEvent: {
      event: AgentEvents.createAgentEvent(AgentEvents.AgentStarted, { ...options, agentId: "a", agentData: { v: 1 } }),
      expected: { eventType: "agent.started", payload: { v: 1 }, sourceAgentId: "a", sourceService: undefined }
    },
    createTaskEvent: {
      event: AgentEvents.createTaskEvent(AgentEvents.TaskFailed, {
        ...options,
        taskId: "t",
        taskData: { v: 1 },
        agentId: "a",
        serviceName: "s"
      }),
      expected: { eventType: "task.failed", payload: { v: 1, task_id: "t" }, sourceAgentId: "a", sourceService: "s" }
    },
    createStateEvent: {
      event: AgentEvents.createStateEvent(AgentEvents.StateSaved, { ...options, agentId: "a", stateInfo: { v: 1 } }),
      expected: { eventType: "state.saved", payload: { v: 1 }, sourceAgentId: "a", sourceService: undefined }
    },
    createPlanEvent: {
      event: AgentEvents.createPlanEvent(AgentEvents.PlanStepFailed, {
        ...options,
        planId: "p",
        planData: { v: 1 },
        agentId: "a",
        serviceName: "s"
      }),
      expected: {
        eventType: "plan.step_failed",
        payload: { v: 1, plan_id: "p" },
        sourceAgentId: "a",
        sourceService: "s"
      }
    },
    createSystemEvent: {
      event: AgentEvents.createSystemEvent(AgentEvents.SystemShutdown, {
        ...options,
        serviceName: "s",
        systemData: { v: 1 }
      }),
      expected: { eventType: "system.shutdown", payload: { v: 1 }, sourceAgentId: undefined, sourceService: "s" }
    }
  }
  for (const [creator, { event, expected }] of Object.entries(created)) {
    it.effect(`${creator} says everything that it is told`, () =>
      Effect.gen(function* () {
        const made: Event.Event = yield* event
        assert.deepInclude(made, { ...options, ...expected, retryCount: 0 })
        assert.deepStrictEqual(
          Result.getOrThrow(read({ body: write(made), version: undefined })),
          made,
          "and others can read it"
        )
      })
    )
  }

  const bare = {
    createAgentEvent: AgentEvents.createAgentEvent(AgentEvents.AgentHeartbeat, { agentId: "a" }),
    createTaskEvent: AgentEvents.createTaskEvent(AgentEvents.TaskStarted, { taskId: "t" }),
    createStateEvent: AgentEvents.createStateEvent(AgentEvents.StateLoaded, { agentId: "a" }),
    createPlanEvent: AgentEvents.createPlanEvent(AgentEvents.PlanCreated, { planId: "p" }),
    createSystemEvent: AgentEvents.createSystemEvent(AgentEvents.SystemHealthCheck, { serviceName: "s" })
  }
  for (const [creator, event] of Object.entries(bare)) {
    it.effect(`${creator} needs no more than who or what it is about`, () =>
      Effect.gen(function* () {
        const made: Event.Event = yield* event
        assert.deepInclude(made, { priority: "normal", maxRetries: 3, ttlSeconds: undefined, traceId: undefined })
        assert.deepStrictEqual(Result.getOrThrow(read({ body: write(made), version: undefined })), made)
      })
    )
  }

  it.effect("lets the id of a task or plan win over one in the data, which stays as it was", () =>
    Effect.gen(function* () {
      const data = { task_id: "old", plan_id: "old" }
      const task = yield* AgentEvents.createTaskEvent(AgentEvents.TaskStarted, { taskId: "new", taskData: data })
      const plan = yield* AgentEvents.createPlanEvent(AgentEvents.PlanStarted, { planId: "new", planData: data })
      assert.deepStrictEqual(task.payload, { task_id: "new", plan_id: "old" })
      assert.deepStrictEqual(plan.payload, { task_id: "old", plan_id: "new" })
      assert.deepStrictEqual(data, { task_id: "old", plan_id: "old" })
    })
  )

  it.effect("takes the correlation that holds where the event is made, unless told otherwise", () =>
    Effect.gen(function* () {
      const ambient = { traceId: id(5), executionId: id(6), parentEventId: id(7) }
      const within = Effect.provideService(Correlation.Current, ambient)
      const made = yield* within(AgentEvents.createTaskEvent(AgentEvents.TaskStarted, { taskId: "t" }))
      assert.deepInclude(made, ambient)
      const told = yield* within(AgentEvents.createTaskEvent(AgentEvents.TaskStarted, { taskId: "t", traceId: id(1) }))
      assert.deepInclude(told, { ...ambient, traceId: id(1) })
    })
  )

  it.effect("links an event to the one being handled when it is made", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const completed = yield* Queue.unbounded<Event.Event>()
      const worker = Handler.make(Subscription.make("worker", { events: [AgentEvents.TaskSubmitted] }), (event) =>
        AgentEvents.createTaskEvent(AgentEvents.TaskCompleted, { taskId: event.payload.task_id, agentId: "a" }).pipe(
          Effect.flatMap((next) => bus.publish(next))
        )
      )
      const report = Handler.make(Subscription.make("report", { events: [AgentEvents.TaskCompleted] }), (event) =>
        Queue.offer(completed, event)
      )
      yield* bus.subscribe(worker)
      yield* bus.subscribe(report)
      const submitted = yield* AgentEvents.createTaskEvent(AgentEvents.TaskSubmitted, { taskId: "t", traceId: id(2) })
      yield* bus.publish(submitted)
      assert.deepInclude(yield* Queue.take(completed), {
        payload: { task_id: "t" },
        traceId: id(2),
        parentEventId: submitted.eventId
      })
    }).pipe(Effect.provide(EventBus.layerMemory))
  )
})
