/**
 * Selections of dead letters in words, as commands, and checked.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import type { Invalid } from "../ConsoleError.ts"
import type * as JobModel from "../ConsoleJob.ts"
import { invalid } from "./errors.ts"
import type { Look } from "./Looks.ts"

type Selection = typeof JobModel.Selection.Type

/** Whether a selection has a criterion. */
const isNarrow = ({ fingerprint, ids, key, newerThan, olderThan, reason, text, type }: Selection): boolean =>
  [fingerprint, ids, key, newerThan, olderThan, reason, text, type].some((criterion) => criterion !== undefined)

/** Fails for a selection that is all by accident, or none. */
export const checked = (selection: Selection): Effect.Effect<Selection, Invalid> => {
  if (selection.ids?.length === 0) return Effect.fail(invalid("No dead letter is selected"))
  if (isNarrow(selection) === (selection.all === true)) {
    return Effect.fail(invalid("Select dead letters by a filter, or all of the queue with `all`, not both"))
  }
  return Effect.succeed(selection)
}

const span = (millis: number): string => `${Math.round(millis / 1000)}s`

/** Describes a selection in a few words. */
export const describe = (queue: string, selection: Selection, look: Look | undefined): string => {
  const { fingerprint, ids, key, newerThan, olderThan, reason, text, type } = selection
  if (selection.all === true) return `all of "${queue}"`
  const [id] = ids ?? []
  const group = look?.rows.find((summary) => summary.fingerprint === fingerprint)
  const parts = [
    ids !== undefined && (ids.length === 1 ? `dead letter ${id}` : `${ids.length} selected`),
    fingerprint !== undefined &&
      `group ${group?.reason === undefined ? fingerprint : `${group.reason} (${fingerprint})`}`,
    type !== undefined && `type ${type}`,
    reason !== undefined && `reason ${reason}`,
    key !== undefined && `key ${key}`,
    text !== undefined && `with "${text.slice(0, 40)}"`,
    olderThan !== undefined && `older than ${span(olderThan)}`,
    newerThan !== undefined && `newer than ${span(newerThan)}`
  ]
  return `${parts.filter((part) => part !== false).join(", ")} of "${queue}"`
}

/** Quotes an argument for a shell. */
export const quoted = (text: string): string =>
  /^[\w.,:/@=+-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`

const maxIds = 20

/** Returns the command that does the same to a selection. */
export const command = (
  action: string,
  queue: string,
  selection: Selection,
  more: ReadonlyArray<string> = []
): string => {
  const { fingerprint, ids = [], key, newerThan, olderThan, reason, text, type } = selection
  const flag = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value])
  const words = [
    "eventbus",
    "dlq",
    action,
    queue,
    ...ids.slice(0, maxIds),
    ...flag("--fingerprint", fingerprint),
    ...flag("--type", type),
    ...flag("--reason", reason),
    ...flag("--key", key),
    ...flag("--text", text),
    ...flag("--older-than", olderThan === undefined ? undefined : span(olderThan)),
    ...flag("--newer-than", newerThan === undefined ? undefined : span(newerThan)),
    ...more
  ]
  const rest = ids.length > maxIds ? ` # and ${ids.length - maxIds} more ids` : ""
  return `${words.map(quoted).join(" ")}${rest}`
}
