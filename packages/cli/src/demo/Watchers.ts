/**
 * The observers of the demo: the monitor of the dead letters, the clerk that records
 * results, and the audit of all events.
 *
 * @since 0.1.0
 */

import { AgentEvents } from "@effect-eventbus/agents"
import { Handler, Subscription } from "effect-eventbus"
import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { EventBus } from "effect-eventbus/EventBus"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Script from "./Script.ts"
import * as Stage from "./Stage.ts"

const kind = ({ isChaotic }: Stage.Stage) => ({ temporary: !isChaotic, deadLetter: false })

const titles = new Map(Script.tasks.map(({ id, title }) => [id, title]))

const monitorInterval = "100 millis"

/**
 * Shows why tasks became dead letters, until it is interrupted. It looks at the dead
 * letters, and leaves them where they are.
 *
 * @category running
 * @since 0.1.0
 */
export const monitor = (stage: Stage.Stage, bus: EventBus["Service"]): Effect.Effect<never> => {
  const known = new Set<string>()
  const deadLetters = bus.deadLetters(Stage.queues.tasks)
  const show = Effect.fnUntraced(function* ({ envelope: { fault }, id }: DeadLetter) {
    if (known.has(id)) return
    known.add(id)
    const { attempts = 0, message = "", reason = "no reason given" } = fault ?? {}
    const tries = attempts === 0 ? "never attempted" : attempts === 1 ? "1 attempt" : `${attempts} attempts`
    const shown = stage.screen.show({
      who: "monitor",
      what: "dead letter",
      style: "red",
      task: stage.ledger.taskIdOf(id),
      detail: `${reason}, ${tries}`,
      more: message
    })
    yield* stage.ledger.enterDeadLetter(id, reason, shown)
  })
  let seen = 0
  const look = Effect.gen(function* () {
    const info = yield* bus.queueInfo(Stage.queues.deadLetters)
    const waiting = Option.isSome(info) ? info.value.messages : 0
    if (waiting === seen) return
    const { letters } = yield* deadLetters.peek({ limit: Script.tasks.length * 2 })
    yield* Effect.forEach(letters, show, { discard: true })
    seen = waiting
  })
  // A look fails while a connection is cut.
  return Effect.forever(Effect.andThen(Effect.ignore(look), Effect.sleep(monitorInterval)))
}

/**
 * Makes the clerk, which records the results of the workers. The parent event of a
 * result identifies its task.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clerk = (stage: Stage.Stage) =>
  Handler.make(
    Subscription.make(Stage.observerQueue(stage.traceId, "results"), {
      events: [AgentEvents.TaskCompleted],
      patterns: [Stage.routingKey("task.completed", "*")],
      ...kind(stage)
    }),
    (event) => {
      if (!Stage.isOurs(stage, event)) return Effect.void
      const { attempt, task_id } = event.payload
      const title = titles.get(task_id) ?? ""
      const shown = stage.screen.show({
        who: event.sourceAgentId ?? "",
        what: "completed",
        style: "green",
        task: task_id,
        detail: attempt === 1 ? title : `${title}, attempt ${attempt}`
      })
      return stage.ledger.enterCompleted(event.parentEventId ?? "", shown)
    }
  )

/**
 * Makes the audit, which records every event.
 *
 * @category constructors
 * @since 0.1.0
 */
export const audit = (stage: Stage.Stage) =>
  Handler.make(
    Subscription.make(Stage.observerQueue(stage.traceId, "audit"), {
      patterns: ["demo.#"],
      concurrency: 32,
      ...kind(stage)
    }),
    (event) => Effect.sync(() => stage.ledger.enterAudited(event.eventId))
  )
