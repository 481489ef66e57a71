/**
 * `eventbus topology prune`: shows the queues that no subscription of a module declares,
 * and deletes those that nothing needs.
 *
 * @since 0.1.0
 */

import type { Candidate } from "@effect-eventbus/inspect/Prune"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Confirmation from "../../Confirmation.ts"
import * as Connection from "../../Connection.ts"
import * as KnownQueues from "../../KnownQueues.ts"
import * as lazyImports from "../../lazyImports.ts"
import { counted, Output, pad, pipedColumns, plain, wrap } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed } from "../../Problem.ts"

const flags = {
  queues: Argument.String("queue").pipe(
    Argument.withDescription("Only these, with their dead letters and retries [all]"),
    Argument.variadic()
  ),
  module: Parameters.module,
  delete: Flag.Boolean("delete").pipe(
    Flag.withDescription("Delete the idle ones, after confirmation"),
    Flag.withDefault(false)
  ),
  yes: Confirmation.yes,
  json: Parameters.json("Print each queue as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const margin = 23

const show = Effect.fnUntraced(function* (
  { kind, name, needed }: Candidate,
  state: "deleted" | "idle" | "kept",
  json: boolean
) {
  const output = yield* Output
  if (json) return yield* output.json({ queue: name, kind, state, needed: needed ?? null })
  const { columns = pipedColumns, paint } = output
  const word = paint(state === "kept" ? "dim" : state === "idle" ? "yellow" : "green", pad(state, 9))
  yield* output.line(`${word}${paint("dim", pad(kind, margin - 9))}${plain(name)}`)
  if (needed !== undefined) {
    yield* output.line(`${" ".repeat(margin)}${paint("dim", wrap(plain(needed), columns, margin))}`)
  }
})

const run = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { BrokerConnection, Contract, Prune } = yield* lazyImports.inspect
  if (input.delete) yield* Confirmation.require(input.yes)
  const { options, subscriptions } = yield* Contract.load(input.module)
  const settings = yield* Connection.settings(options)
  const management = yield* KnownQueues.management()
  const live = yield* BrokerConnection.open(settings, "consume")
  const all = yield* Prune.make(live, subscriptions, management)
  const wanted = new Set(input.queues)
  const chosen = all.filter(({ name, origin }) => wanted.size === 0 || wanted.has(origin) || wanted.has(name))
  const unknown = input.queues.filter((queue) => !all.some(({ name, origin }) => name === queue || origin === queue))
  if (unknown.length > 0) {
    const names = unknown.map((name) => `"${name}"`).join(", ")
    return yield* new CommandFailed({ message: `The module declares ${names}, or the bus has no such queue` })
  }
  const idle = chosen.filter(({ needed }) => needed === undefined)

  if (!input.delete) {
    for (const each of chosen) yield* show(each, each.needed === undefined ? "idle" : "kept", input.json)
    const next = idle.length === 0 ? "" : ` --delete would delete ${counted(idle.length, "queue")}.`
    return yield* output.note(`Nothing was deleted.${next}`)
  }
  if (idle.length === 0) return yield* output.note("Nothing was deleted: no queue is idle.")
  if (!input.yes) {
    for (const each of idle) yield* show(each, "idle", false)
    const question = `Permanently delete ${idle.length === 1 ? "this queue" : `these ${idle.length} queues`}?`
    if (!(yield* Confirmation.ask(question))) return yield* output.note("Nothing was deleted")
  }
  let kept = 0
  for (const each of idle) {
    const left = yield* Prune.remove(live, each, management)
    if (left === undefined) {
      yield* show(each, "deleted", input.json)
      continue
    }
    kept++
    const needed = `it has ${counted(left.messages, "event")} and ${counted(left.consumers, "consumer")} now`
    yield* show({ ...each, needed }, "kept", input.json)
  }
  yield* output.note(`${counted(idle.length - kept, "queue")} deleted`)
  if (kept > 0) return yield* new CommandFailed({ message: `${counted(kept, "queue")} came into use meanwhile` })
}, Effect.scoped)

/**
 * @category commands
 * @since 0.1.0
 */
export const prune = Command.make("prune", flags, run).pipe(
  Command.withDescription(
    "Show the queues of the bus that no subscription of the module declares: old\n" +
      "  queues, dead letters and retries. The module has to name the subscriptions of\n" +
      "  all applications on the bus. With --delete, those that are idle are deleted,\n" +
      "  after confirmation: without events and consumers, and not needed by another."
  ),
  Command.withShortDescription("Show queues that nothing declares, and delete idle ones"),
  Command.withExamples([
    { command: "eventbus topology prune --module ./subscriptions.ts" },
    { command: "eventbus topology prune --module ./subscriptions.ts --delete invoices" }
  ])
)
