/**
 * `eventbus dlq replay` and `discard`: take letters out of the dead letters, back to
 * their queue or for good.
 *
 * @since 0.1.0
 */

import type { BrokerError } from "effect-eventbus/BrokerError"
import type { DeadLetters, BulkOptions, ReplayResult } from "effect-eventbus/DeadLetters"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import { Output, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed, UsageError } from "../../Problem.ts"
import * as Progress from "../../Progress.ts"
import * as Which from "./Which.ts"

const shared = { ...Which.some, json: Parameters.json("The sums as a line of JSON") }

type Shared = Command.Command.Config.Infer<typeof shared>

/** Which letters they are, once they are known by their whole ids. */
const takingOf = (letters: DeadLetters, input: Shared) =>
  Effect.map(Which.idsOf(letters, input.queue, input.ids), (ids): BulkOptions => ({
    ...Which.selectionOf(input),
    ids,
    limit: Option.getOrUndefined(input.limit)
  }))

/** Takes letters, shows how far it has come, and says what came of them, however it ends. */
const take = Effect.fnUntraced(function* (
  input: Shared,
  taking: BulkOptions,
  done: string,
  act: (taking: BulkOptions) => Effect.Effect<ReplayResult, BrokerError>
) {
  const output = yield* Output
  const progress = Progress.make(output, done, taking.limit)
  let last: ReplayResult | undefined
  const show = (tally: ReplayResult) => {
    last = tally
    return progress.show(tally)
  }
  const conclude = (tally: ReplayResult) =>
    input.json
      ? output.json(Progress.toJson(input.queue, tally, done))
      : output.line(Progress.summary(tally, done, output))
  const tally = yield* act({ ...taking, onProgress: show }).pipe(
    Effect.onExit(() => progress.clear),
    Effect.onError(() => (last === undefined ? Effect.void : Effect.ignore(conclude(last))))
  )
  yield* conclude(tally)
  if (tally.failure !== undefined) return yield* new CommandFailed({ message: tally.failure.message })
  const named = new Set(taking.ids).size
  if (taking.limit === undefined && tally.done < named) {
    const message = `${named - tally.done} of the ${named} letters named are not there, or not what the flags say`
    return yield* new CommandFailed({ message })
  }
})

const replayFlags = {
  ...shared,
  rate: Flag.optional(Parameters.count("At most so many a second [as fast as it goes]", "rate"))
}

const replay = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof replayFlags>) {
  const rate = Option.getOrUndefined(input.rate)
  yield* Which.withLetters(
    input,
    Effect.fnUntraced(function* (letters) {
      const taking = yield* takingOf(letters, input)
      yield* take(input, taking, "replayed", (taking) => letters.replay({ ...taking, rate }))
    })
  )
})

const discardFlags = {
  ...shared,
  yes: Flag.Boolean("yes").pipe(Flag.withDescription("Do not ask"), Flag.withDefault(false))
}

/** How many letters it is to discard: those that whoever is at the terminal was told of, and agreed to. */
const ask = Effect.fnUntraced(function* (
  { remark }: Output["Service"],
  letters: DeadLetters,
  queue: string,
  taking: BulkOptions
) {
  const { groups, waiting } = yield* letters.groups(taking)
  const meant = groups.reduce((sum, { count }) => sum + count, 0)
  const most = Math.min(meant, taking.limit ?? meant)
  if (most === 0) return 0
  const message = `Discard ${most} of ${waiting} dead letters of "${plain(queue)}"?`
  const isMeant = yield* Prompt.run(Prompt.Confirm({ message })).pipe(
    Effect.catchTag("QuitError", () => Effect.andThen(remark("\n"), Effect.interrupt))
  )
  return isMeant ? most : 0
})

const discard = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof discardFlags>) {
  const output = yield* Output
  const stdio = yield* Stdio.Stdio
  const isAtTerminal = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal)
  if (!input.yes && !isAtTerminal) {
    return yield* new UsageError({ message: "There is no terminal to ask at: say --yes to discard" })
  }
  yield* Which.withLetters(
    input,
    Effect.fnUntraced(function* (letters) {
      const taking = yield* takingOf(letters, input)
      const limit = input.yes ? taking.limit : yield* ask(output, letters, input.queue, taking)
      if (limit === 0) return yield* output.note("Nothing is discarded")
      yield* take(input, { ...taking, limit }, "discarded", letters.discard)
    })
  )
})

/**
 * The commands that take.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("replay", replayFlags, replay).pipe(
    Command.withDescription(
      "Deliver letters to their queue anew: those named, those that match, or all.\n" +
        "  Each is safe in its queue before it leaves the dead letters. Ctrl-C stops it\n" +
        "  between two letters."
    ),
    Command.withShortDescription("Deliver letters to their queue anew"),
    Command.withExamples([
      { command: "eventbus dlq replay billing 3f2a9c01" },
      { command: "eventbus dlq replay billing --fingerprint 1a2b3c4d5e6f --rate 50" }
    ])
  ),
  Command.make("discard", discardFlags, discard).pipe(
    Command.withDescription("Let go of letters, for good: those named, those that match, or all. It asks"),
    Command.withShortDescription("Let go of letters, for good"),
    Command.withExamples([{ command: "eventbus dlq discard billing --older-than 30d" }])
  )
] as const
