/**
 * The observers of the demo: the monitor of the dead letters, the clerk that records
 * results, and the audit of all events.
 *
 * @since 0.1.0
 */

import { AgentEvents } from "@effect-eventbus/agents"
import { Handler, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Script from "./Script.ts"
import * as Stage from "./Stage.ts"

const titles = new Map(Script.tasks.map(({ id, title }) => [id, title]))

/**
 * Makes the monitor, which shows why tasks became dead letters.
 *
 * @category constructors
 * @since 0.1.0
 */
export const monitor = (stage: Stage.Stage) =>
  Handler.make(
    Subscription.make(Stage.queues.deadLetters, { patterns: ["#"], deadLetter: false }),
    (event, { envelope: { fault } }) => {
      if (!Stage.isOurs(stage, event)) return Effect.void
      const { attempts = 0, message = "", reason = "no reason given" } = fault ?? {}
      const tries = attempts === 0 ? "never attempted" : attempts === 1 ? "1 attempt" : `${attempts} attempts`
      const shown = stage.screen.show({
        who: "monitor",
        what: "dead letter",
        style: "red",
        task: stage.ledger.taskIdOf(event.eventId),
        detail: `${reason}, ${tries}`,
        more: message
      })
      return stage.ledger.enterDeadLetter(event.eventId, reason, shown)
    }
  )

/**
 * Makes the clerk, which records the results of the workers. The parent event of a
 * result identifies its task.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clerk = (stage: Stage.Stage) =>
  Handler.make(
    Subscription.make(Stage.temporaryQueue(stage, "results"), {
      events: [AgentEvents.TaskCompleted],
      patterns: [Stage.routingKey("task.completed", "*")],
      temporary: true
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
    Subscription.make(Stage.temporaryQueue(stage, "audit"), { patterns: ["demo.#"], temporary: true, concurrency: 32 }),
    (event) => Effect.sync(() => stage.ledger.enterAudited(event.eventId))
  )
