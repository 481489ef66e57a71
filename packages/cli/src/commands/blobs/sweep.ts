/**
 * `eventbus blobs sweep`: shows the payloads in the store that no event and no dead
 * letter needs, and deletes them.
 *
 * @since 0.1.0
 */

import type { Blob, Removal } from "@effect-eventbus/bodies/BlobStore"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Blobs from "../../Blobs.ts"
import * as Confirmation from "../../Confirmation.ts"
import * as Connection from "../../Connection.ts"
import * as lazyImports from "../../lazyImports.ts"
import { counted, Output, pad, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed, UsageError } from "../../Problem.ts"

const flags = {
  module: Parameters.module,
  olderThan: Parameters.duration("older-than", "Longer than any event waits for a retry or a delay"),
  delete: Flag.Boolean("delete").pipe(
    Flag.withDescription("Delete the blobs, after confirmation"),
    Flag.withDefault(false)
  ),
  force: Flag.Boolean("force").pipe(
    Flag.withDescription("Delete even if events wait that cannot be looked at"),
    Flag.withDefault(false)
  ),
  yes: Confirmation.yes,
  json: Parameters.json("Print each blob as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const states = { removed: "deleted", used: "kept", missing: "gone" } as const satisfies Record<Removal, string>

type State = "orphan" | (typeof states)[Removal]

/** The reasons why a blob was not deleted. */
const reasons: Partial<Record<State, string>> = { kept: "used meanwhile", gone: "deleted by another meanwhile" }

const show = Effect.fnUntraced(function* ({ name, usedAt }: Blob, state: State, json: boolean) {
  const output = yield* Output
  const used = new Date(usedAt).toISOString()
  const reason = reasons[state]
  if (json) return yield* output.json({ blob: name, used_at: used, state, reason })
  const word = output.paint(state === "deleted" ? "green" : "yellow", pad(state, 9))
  const why = reason === undefined ? "" : `  ${reason}`
  yield* output.line(`${word}${output.paint("dim", used)}  ${plain(name)}${why}`)
})

const sweepStore = Effect.fnUntraced(function* (input: Input, queues: ReadonlyArray<string>) {
  const output = yield* Output
  const { ClaimCheck } = yield* lazyImports.bodies
  const { orphans, unseen, unusedSince } = yield* ClaimCheck.survey({ queues, olderThan: input.olderThan })
  const blobs = counted(orphans.length, "blob")
  const untold = unseen.map(({ messages, name }) => `${counted(messages, "event")} in "${name}"`).join(" and ")
  if (orphans.length === 0) return yield* output.note("Nothing was deleted: no blob is left over.")
  if (!input.delete) {
    for (const each of orphans) yield* show(each, "orphan", input.json)
    if (untold !== "") yield* output.note(`${untold} cannot be looked at, and may need these blobs.`)
    return yield* output.note(`Nothing was deleted. --delete would delete ${blobs}.`)
  }
  if (untold !== "" && !input.force) {
    return yield* new CommandFailed({
      message: `Nothing was deleted: ${untold} cannot be looked at, and may need one of ${blobs}. Wait until none is left there, or use --force if none has waited that long`
    })
  }
  if (!input.yes) {
    for (const each of orphans) yield* show(each, "orphan", false)
    const question = `Permanently delete ${orphans.length === 1 ? "this blob" : `these ${blobs}`}?`
    if (!(yield* Confirmation.ask(question))) return yield* output.note("Nothing was deleted")
  }
  const swept = yield* ClaimCheck.removeOrphans({ orphans, unusedSince })
  for (const each of swept) yield* show(each, states[each.removal], input.json)
  const count = (state: Removal) => swept.filter(({ removal }) => removal === state).length
  const kept = count("used")
  yield* output.note(
    `${counted(count("removed"), "blob")} deleted.${kept === 0 ? "" : ` ${counted(kept, "blob")} kept: used meanwhile.`}`
  )
})

const run = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { Contract, Management } = yield* lazyImports.inspect
  if (input.delete) yield* Confirmation.require(input.yes)
  const contract = yield* Contract.load(input.module)
  const store = contract.bodies?.store
  if (store === undefined) {
    return yield* new UsageError({ message: `"${input.module}" exports no BodyPlan with a store` })
  }
  const management = yield* Management.fromConfig(yield* Connection.settings(contract.options))
  const queues = yield* Blobs.queues(contract, management)
  if (Option.isNone(management)) {
    yield* output.note("Only the queues of the module are looked at: set RABBITMQ_MANAGEMENT_URL to look at all.")
  }
  yield* Blobs.provide(sweepStore(input, queues), store, contract)
})

/**
 * @category commands
 * @since 0.1.0
 */
export const sweep = Command.make("sweep", flags, run).pipe(
  Command.withDescription(
    "Show the blobs that were not used for a time, and that no waiting event and no\n" +
      "  dead letter needs. With --delete, they are deleted, after confirmation. The\n" +
      "  module exports a BodyPlan with the store, and names the subscriptions of all\n" +
      "  applications that share it."
  ),
  Command.withShortDescription("Show payloads that nothing needs, and delete them"),
  Command.withExamples([
    { command: "eventbus blobs sweep --module ./subscriptions.ts --older-than 7d" },
    { command: "eventbus blobs sweep --module ./subscriptions.ts --older-than 7d --delete" }
  ])
)
