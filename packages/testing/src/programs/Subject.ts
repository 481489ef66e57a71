/** A bus that performs the operations of a program, and records what its handlers see. */

import { EventBus } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { Names } from "../contract/Suite.ts"
import * as Handlers from "./Handlers.ts"
import * as Observation from "./Observation.ts"
import { canStopAmid, delay, nameOf, routingKey } from "./Program.ts"
import type { Event, Operation, Program, Target } from "./Program.ts"

/** A subscription that was started. */
interface Started {
  readonly scope: Scope.Closeable
  readonly subscription: EventBus.Running
}

/** A handler that is busy with an event until it is released. */
interface Hold {
  readonly isHeld: Deferred.Deferred<void>
  readonly letGo: Deferred.Deferred<void>
}

export const make = Effect.fnUntraced(function* (program: Program, silence: number) {
  const bus = yield* EventBus.EventBus
  const { unique } = yield* Names
  const running = new Map<string, Started>()
  const sights: Array<Observation.Sight> = []
  const answers: Array<string> = []
  let published = 0
  let hold: Hold | undefined

  /** Returns the name on the broker of `plain-1`, or of `dlq.plain-1`. */
  const onBroker = (name: string) => name.replace(/[a-z]+-\d$/, unique)

  const before =
    (queue: string) =>
    ({ delivery, heldBy, n }: Handlers.Seen): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        const { attempt, envelope, event } = delivery
        const fault = envelope.fault && ([envelope.fault.reason, envelope.fault.attempts] as const)
        const { priority, retryCount } = event
        sights.push({ queue, n, attempt, retryCount, priority, fault, routingKey: envelope.routingKey })
        return hold === undefined || heldBy !== queue || attempt > 1
          ? Effect.succeed(false)
          : Effect.as(Effect.andThen(Deferred.succeed(hold.isHeld, undefined), Deferred.await(hold.letGo)), true)
      })

  const start = Effect.fnUntraced(function* (target: Target, pattern: string | undefined, differs: boolean) {
    const name = nameOf(program, target)
    if (running.has(name) && (target.letters || !differs)) return "started"
    const { kind = "plain", patterns = [] } = program.queues[target.queue % program.queues.length] ?? {}
    const scope = yield* Scope.fork(yield* Effect.scope)
    const subscribed = yield* Handlers.subscribe(bus, {
      queue: onBroker(name),
      kind,
      patterns: pattern === undefined ? patterns : [...patterns, pattern],
      differs,
      before: before(name)
    }).pipe(Scope.provide(scope), Effect.result)
    if (Result.isSuccess(subscribed)) {
      running.set(name, { scope, subscription: subscribed.success })
      return "started"
    }
    yield* Scope.close(scope, Exit.void)
    return subscribed.failure.reason._tag
  })

  const stop = (name: string) =>
    Effect.suspend(() => {
      const started = running.get(name)
      running.delete(name)
      return started === undefined ? Effect.void : Scope.close(started.scope, Exit.void)
    })

  /** Whether a subscription takes events: it was started, and is not paused. */
  const isTaking = (name: string) =>
    Effect.map(running.get(name)?.subscription.state ?? Effect.undefined, (state) => state?._tag === "Running")

  const publish = Effect.fnUntraced(function* (event: Event, heldBy: string | null) {
    const made = yield* Handlers.toEvent(event, ++published, heldBy)
    return yield* Effect.match(
      bus.publish(made, {
        routingKey: routingKey(event),
        ...(event.delayed ? { delay } : { unroutable: "fail" as const })
      }),
      {
        onSuccess: () => "published",
        onFailure: ({ reason }) => reason._tag
      }
    )
  })

  /** Sends an event as a request. Its answer comes later. */
  const ask = (event: Event, isAnswered: (n: number) => boolean) =>
    Effect.suspend(() => {
      const n = ++published
      return Effect.map(Handlers.ask(event, n, isAnswered(n) ? "1 hour" : silence), (answer) =>
        answers.push(Observation.answer(n, answer))
      )
    }).pipe(Effect.provideService(EventBus.EventBus, bus), Effect.forkScoped({ startImmediately: true }))

  /** Publishes an event, and stops a queue while its handler is busy with that event. */
  const stopAmid = Effect.fnUntraced(function* (target: Target, event: Event, isHandled: boolean) {
    const name = nameOf(program, target)
    const current = { isHeld: yield* Deferred.make<void>(), letGo: yield* Deferred.make<void>() }
    hold = current
    const result = yield* publish(event, name)
    if (isHandled) {
      yield* Deferred.await(current.isHeld)
      const stopping = yield* Effect.forkChild(stop(name), { startImmediately: true })
      // A hasty subscription does not wait for its handlers.
      if (!name.startsWith("hasty")) yield* Deferred.succeed(current.letGo, undefined)
      yield* Fiber.join(stopping)
    }
    hold = undefined
    return result
  })

  return {
    /** Performs one operation, and returns its results. */
    perform: Effect.fnUntraced(function* (operation: Operation, expected: Observation.Observation) {
      sights.length = answers.length = 0
      if (operation._tag === "Publish") {
        return yield* Effect.forEach(operation.events, (event) => publish(event, null), { concurrency: "unbounded" })
      }
      if (operation._tag === "Ask") {
        const isAnswered = (n: number) => !expected.answers.includes(Observation.answer(n, "NoReply"))
        yield* Effect.forEach(operation.events, (event) => ask(event, isAnswered))
        return []
      }
      const name = nameOf(program, operation)
      switch (operation._tag) {
        case "Start":
          return [yield* start(operation, operation.pattern, operation.differs)]
        case "Stop":
          yield* stop(name)
          return []
        case "Pause":
          yield* running.get(name)?.subscription.pause() ?? Effect.void
          return []
        case "Resume":
          yield* running.get(name)?.subscription.resume ?? Effect.void
          return []
        case "StopAmid":
          if (!canStopAmid(name) || !(yield* isTaking(name))) return []
          return [yield* stopAmid(operation, operation.event, expected.handled[name] !== undefined)]
        case "Purge":
          return [
            yield* Effect.match(bus.purge(onBroker(name)), {
              onSuccess: (purged) => `${purged} purged`,
              onFailure: ({ reason }) => reason._tag
            })
          ]
      }
    }),
    start: (queue: number) => start({ queue, letters: false }, undefined, false),
    sights: (): ReadonlyArray<Observation.Sight> => [...sights],
    answers: (): ReadonlyArray<string> => [...answers],
    /** Describes the queues of these names. */
    queues: (names: ReadonlyArray<string>) =>
      Effect.map(
        Effect.forEach(
          names,
          (name) => Effect.map(bus.queueInfo(onBroker(name)), (info) => [name, Observation.queue(info)] as const),
          { concurrency: "unbounded" }
        ),
        Object.fromEntries<string>
      )
  }
})
