/**
 * A drawing of a trace: a tree of events and the events that they caused, with their
 * dead letters.
 *
 * @since 0.1.0
 */

import type { Causation, Sighting } from "effect-eventbus/Causation"
import * as Fault from "effect-eventbus/Fault"
import { displayWidth } from "effect/cli/CliOutput"
import * as DateTime from "effect/DateTime"
import * as EventLine from "./EventLine.ts"
import { cut, type Output, pipedColumns, plain } from "./Output.ts"

type View = Pick<Output["Service"], "columns" | "paint">

const timeWidth = 12
/** Deeper events show only the branches nearest to them. */
const maxIndent = 30

const plural = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`

const isDeadLetter = ({ fault, queue }: Sighting): boolean => fault !== undefined || queue.startsWith("dlq.")

const flatten = (trees: ReadonlyArray<Causation>): ReadonlyArray<Causation> =>
  trees.flatMap((tree) => [tree, ...flatten(tree.caused)])

/** Describes a dead letter: its queue, attempts and reason. */
const describe = ({ fault, queue }: Sighting): string => {
  if (fault === undefined) return `${queue}: no reason given`
  const attempts = plural(fault.attempts, "attempt", "attempts")
  return `${queue} after ${attempts}: ${Fault.summary(fault)}`
}

/**
 * Draws the trees, one line for each event and each of its dead letters, cut to the
 * width of the terminal.
 *
 * @category formatting
 * @since 0.1.0
 */
export const draw = (
  trees: ReadonlyArray<Causation>,
  { columns = pipedColumns, paint }: View
): ReadonlyArray<string> => {
  const room = columns - timeWidth - 2

  const lines = (tree: Causation, before: string, branch: string, below: string): ReadonlyArray<string> => {
    const { caused, event, sightings } = tree
    const indent = (before + branch).slice(-maxIndent)
    const inner = (before + below).slice(-maxIndent)
    const type = cut(plain(event.eventType), room - displayWidth(indent))
    const cause = before + branch === "" && event.parentEventId !== undefined ? "cause not seen" : ""
    const about = [plain(event.sourceAgentId ?? event.sourceService ?? ""), event.eventId.slice(0, 8), cause]
    const left = room - displayWidth(indent + type) - 2
    const rest = left < 4 ? "" : cut(about.filter((word) => word !== "").join("  "), left)
    const time = EventLine.clockTime(DateTime.toDateUtc(event.timestamp))
    const stem = caused.length > 0 ? `${inner}│  ` : `${inner}   `
    return [
      [
        paint("dim", time),
        `${paint("dim", indent)}${paint(EventLine.styleOf(event.eventType), type)}`,
        paint("dim", rest)
      ]
        .filter((part) => part !== "")
        .join("  "),
      ...sightings.filter(isDeadLetter).map((sighting) => {
        const text = cut(`✗ ${plain(describe(sighting))}`, room - displayWidth(stem))
        return `${" ".repeat(timeWidth)}  ${paint("dim", stem)}${paint("red", text)}`
      }),
      ...caused.flatMap((child, index) =>
        index === caused.length - 1
          ? lines(child, before + below, "└─ ", "   ")
          : lines(child, before + below, "├─ ", "│  ")
      )
    ]
  }

  return trees.flatMap((tree) => lines(tree, "", "", ""))
}

/**
 * Formats the number of events and of dead letters.
 *
 * @category formatting
 * @since 0.1.0
 */
export const summary = (traceId: string, trees: ReadonlyArray<Causation>, { paint }: View): string => {
  const events = flatten(trees)
  const dead = events.filter(({ sightings }) => sightings.some(isDeadLetter)).length
  const counts = plural(events.length, "event", "events")
  const deadLetters = dead === 0 ? "" : ` · ${paint("red", plural(dead, "dead letter", "dead letters"))}`
  return `${paint("dim", "trace")} ${paint("bold", traceId)}  ${counts}${deadLetters}`
}
