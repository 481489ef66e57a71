/**
 * The drawing of a session: its events as a tree, with all that became of each.
 *
 * @internal
 */

import * as Causation from "effect-eventbus/Causation"
import * as Fault from "effect-eventbus/Fault"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import { type Activity, type Copy, noQueue, type Step } from "./Activity.ts"

/** The most steps of a drawing. The first and the last ones of a longer session are shown. */
const maxSteps = 200
/** Deeper events show only the branches nearest to them. */
const maxIndent = 60
const maxMessage = 100

const cut = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length > maxMessage ? `${line.slice(0, maxMessage - 1)}…` : line
}

const because = (fault: Fault.Fault | undefined): string =>
  fault === undefined ? "" : `: ${cut(Fault.summary(fault))}`

/** Returns a time in seconds, as in `1.500 s`. */
const seconds = (millis: number): string => `${(millis / 1000).toFixed(3)} s`

const describe = ({ attempt, delay, fault, kind, queue, reason }: Step): string => {
  switch (kind) {
    case "published":
      return `delayed by ${Duration.format(Duration.millis(delay ?? 0))}`
    case "unroutable":
      return "no queue is bound for it"
    case "not published":
      return `it was not published: ${reason}`
    case "replayed":
      return `${queue} gets it again, from the dead letters`
    case "retried":
      return `${queue} attempt ${attempt}: retry in ${Duration.format(Duration.millis(delay ?? 0))}${because(fault)}`
    default:
      return `${queue} attempt ${attempt}: ${kind}${because(fault)}`
  }
}

const describeCopy = ({ delivery, dueAt, envelope, queue, state }: Copy, now: number): string => {
  if (state === "held") {
    const attempt = `${queue} attempt ${envelope.attempt ?? 1}`
    return delivery?.isReceived === true ? `${attempt}: being handled` : `${attempt}: delivered, not taken yet`
  }
  if (state === "publishing") return `${queue}: on its way`
  if (queue === noQueue) return `due in ${Duration.format(Duration.millis(dueAt - now))}`
  return dueAt > now ? `${queue} gets it in ${Duration.format(Duration.millis(dueAt - now))}` : `${queue}: waits`
}

/** Draws a session, one line for each event and for each thing that became of it. */
export const draw = (activity: Activity, now: number): string => {
  const { copies, startedAt, traceId } = activity
  const left = activity.steps.length - maxSteps
  const steps =
    left <= 0 ? activity.steps : [...activity.steps.slice(0, maxSteps / 2), ...activity.steps.slice(-maxSteps / 2)]
  const timeOf = (at: number | undefined) => (at === undefined ? "" : seconds(at - startedAt)).padStart(10)
  const stepsOf = Arr.groupBy(steps, ({ envelope, event }) => event?.eventId ?? envelope.id ?? "")
  // A dead letter that waits needs no line of its own: its last step tells.
  const shown = [...copies]
    .filter(({ queue, state }) => state === "held" || !QueueSpec.isDeadLetterQueue(queue))
    .slice(0, maxSteps)
  const copiesOf = Arr.groupBy(shown, ({ envelope }) => envelope.id ?? "")

  const below = (id: string, stem: string): ReadonlyArray<string> => [
    ...(stepsOf[id] ?? [])
      .filter(({ delay, kind }) => kind !== "published" || delay !== undefined)
      .map((step) => `${timeOf(step.at)}  ${stem}· ${describe(step)}`),
    ...(copiesOf[id] ?? []).map((copy) => `${timeOf(undefined)}  ${stem}· ${describeCopy(copy, now)}`)
  ]

  const lines = (tree: Causation.Causation, before: string, branch: string, inner: string): ReadonlyArray<string> => {
    const { caused, event } = tree
    const at = stepsOf[event.eventId]?.[0]?.at
    const stem = `${before}${inner}${caused.length > 0 ? "│  " : "   "}`.slice(-maxIndent)
    const indent = `${before}${branch}`.slice(-maxIndent)
    return [
      `${timeOf(at)}  ${indent}${event.eventType} ${event.eventId.slice(0, 8)}`,
      ...below(event.eventId, stem),
      ...caused.flatMap((child, index) =>
        index === caused.length - 1
          ? lines(child, before + inner, "└─ ", "   ")
          : lines(child, before + inner, "├─ ", "│  ")
      )
    ]
  }

  const seen = steps.flatMap(({ attempt, envelope, event, queue }) =>
    event === undefined ? [] : [{ event, envelope, queue, attempt }]
  )
  const others = new Set(steps.filter(({ event }) => event === undefined).map(({ envelope }) => envelope.id ?? ""))
  return [
    `The events of the trace ${traceId}:`,
    ...(steps.length === 0 ? ["none"] : []),
    ...Causation.forest(seen).flatMap((tree) => lines(tree, "", "", "")),
    ...Array.from(others).flatMap((id) => [`${timeOf(undefined)}  ${id} is not an event`, ...below(id, "   ")]),
    ...(left > 0 ? [`${left} steps in the middle are left out`] : [])
  ].join("\n")
}
