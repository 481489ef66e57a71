/**
 * `eventbus dlq replay` and `discard`: return dead letters to their queue, or delete
 * them.
 *
 * @since 0.1.0
 */

import type { BrokerError } from "effect-eventbus/BrokerError"
import type { DeadLetters, BulkOptions, ReplayResult } from "effect-eventbus/DeadLetters"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Confirmation from "../../Confirmation.ts"
import * as lazyImports from "../../lazyImports.ts"
import { Output, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed } from "../../Problem.ts"
import * as Progress from "../../Progress.ts"
import * as deadLetterFlags from "./deadLetterFlags.ts"

const shared = { ...deadLetterFlags.some, json: Parameters.json("Print the result as a line of JSON") }

type Shared = Command.Command.Config.Infer<typeof shared>

/** Returns the options that select the dead letters, with their complete ids. */
const optionsOf = (deadLetters: DeadLetters, input: Shared) =>
  Effect.map(deadLetterFlags.idsOf(deadLetters, input.queue, input.ids), (ids): BulkOptions => ({
    ...deadLetterFlags.filterOf(input),
    ids,
    limit: Option.getOrUndefined(input.limit)
  }))

/**
 * Runs a bulk operation, shows its progress, and prints its result even when it fails or is interrupted. Returns the number
 * of dead letters that it took.
 */
const runBulk = Effect.fnUntraced(function* (
  input: Shared,
  options: BulkOptions,
  done: string,
  act: (options: BulkOptions) => Effect.Effect<ReplayResult, BrokerError>
) {
  const output = yield* Output
  const progress = Progress.make(output, done, options.limit)
  let last: ReplayResult | undefined
  const show = (tally: ReplayResult) => {
    last = tally
    return progress.show(tally)
  }
  const conclude = (tally: ReplayResult) =>
    input.json
      ? output.json(Progress.toJson(input.queue, tally, done))
      : output.line(Progress.summary(tally, done, output))
  const tally = yield* act({ ...options, onProgress: show }).pipe(
    Effect.onExit(() => progress.clear),
    Effect.onError(() => (last === undefined ? Effect.void : Effect.ignore(conclude(last))))
  )
  yield* conclude(tally)
  if (tally.failure !== undefined) return yield* new CommandFailed({ message: tally.failure.message })
  if (tally.done === 0 && options.fingerprint !== undefined) {
    const groups = `eventbus dlq groups ${plain(input.queue)}`
    yield* output.note(`No dead letter matches the fingerprint "${plain(options.fingerprint)}": see ${groups}`)
  }
  const named = new Set(options.ids).size
  if (options.limit === undefined && tally.done < named) {
    const message = `${named - tally.done} of the ${named} dead letters named do not exist, or do not match the flags`
    return yield* new CommandFailed({ message })
  }
  return tally.done
})

const replayFlags = {
  ...shared,
  rate: Flag.optional(Parameters.count("At most N a second [no limit]", "rate"))
}

/** Tells it when no process would handle what was replayed. */
const tellIfUnconsumed = Effect.fnUntraced(function* (queue: string) {
  const output = yield* Output
  const { EventBus } = yield* lazyImports.eventbus
  const info = Option.flatten(yield* Effect.option(EventBus.EventBus.use((bus) => bus.queueInfo(queue))))
  if (Option.isNone(info) || info.value.consumers > 0) return
  yield* output.note(`No process consumes "${plain(queue)}" now. What was replayed is handled when one does`)
})

const replay = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof replayFlags>) {
  const rate = Option.getOrUndefined(input.rate)
  yield* deadLetterFlags.withDeadLetters(
    input,
    Effect.fnUntraced(function* (deadLetters) {
      const options = yield* optionsOf(deadLetters, input)
      const done = yield* runBulk(input, options, "replayed", (options) => deadLetters.replay({ ...options, rate }))
      if (done > 0) yield* tellIfUnconsumed(input.queue)
    })
  )
})

const discardFlags = {
  ...shared,
  yes: Confirmation.yes
}

/** Asks for confirmation, and returns the number of dead letters that it covers. */
const ask = Effect.fnUntraced(function* (deadLetters: DeadLetters, queue: string, options: BulkOptions) {
  const { groups, waiting } = yield* deadLetters.groups(options)
  const selected = groups.reduce((sum, { count }) => sum + count, 0)
  const most = Math.min(selected, options.limit ?? selected)
  if (most === 0) return 0
  const message = `Permanently delete ${most} of ${waiting} dead letters of "${plain(queue)}"?`
  return (yield* Confirmation.ask(message)) ? most : 0
})

const discard = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof discardFlags>) {
  const output = yield* Output
  yield* Confirmation.require(input.yes)
  yield* deadLetterFlags.withDeadLetters(
    input,
    Effect.fnUntraced(function* (deadLetters) {
      const options = yield* optionsOf(deadLetters, input)
      const limit = input.yes ? options.limit : yield* ask(deadLetters, input.queue, options)
      if (limit === 0) return yield* output.note("Nothing was discarded")
      yield* runBulk(input, { ...options, limit }, "discarded", deadLetters.discard)
    })
  )
})

/**
 * The commands that remove dead letters.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("replay", replayFlags, replay).pipe(
    Command.withDescription(
      "Return dead letters to their queue: those named, those that match, or all.\n" +
        "  Each is safe in its queue before it leaves the dead letters. Ctrl-C stops\n" +
        "  after the current one."
    ),
    Command.withShortDescription("Return dead letters to their queue"),
    Command.withExamples([
      { command: "eventbus dlq replay billing 3f2a9c01" },
      { command: "eventbus dlq replay billing --fingerprint 1a2b3c4d5e6f --rate 50" }
    ])
  ),
  Command.make("discard", discardFlags, discard).pipe(
    Command.withDescription(
      "Permanently delete dead letters: those named, those that match, or all. It\n" +
        "  asks for confirmation, unless --yes is given."
    ),
    Command.withShortDescription("Permanently delete dead letters"),
    Command.withExamples([{ command: "eventbus dlq discard billing --older-than 30d" }])
  )
] as const
