/**
 * `eventbus topology`: compares what a module's subscriptions need with what is
 * there, and makes what is missing. It never deletes anything.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import * as Modules from "../Modules.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"
import type { Finding, Word } from "../Survey.ts"

const flags = {
  module: Parameters.module,
  json: Parameters.json("Each exchange, queue and binding as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const look = Effect.fnUntraced(function* (input: Input) {
  const [Contract, Management, Survey] = yield* Effect.promise(() =>
    Promise.all([import("../Contract.ts"), import("../Management.ts"), import("../Survey.ts")])
  )
  const { options, subscriptions } = yield* Contract.load(input.module)
  const settings = yield* Connection.settings(options)
  const management = yield* Management.fromEnvironment(settings)
  const live = yield* Connection.live(settings, "consume")
  const findings = yield* Survey.make(live, settings, subscriptions, management)
  const output = yield* Output
  const show = Effect.fnUntraced(function* (finding: Finding, word: Word = Survey.words[finding.state._tag]) {
    yield* input.json ? output.json(Survey.toJson(finding, word)) : output.line(Survey.format(finding, word, output))
  })
  return { Survey, live, settings, findings, show }
})

const blind = "RabbitMQ does not tell over AMQP what is bound: RABBITMQ_MANAGEMENT_URL would."

const plan = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { Survey, findings, show } = yield* look(input)
  yield* Effect.forEach(findings, (finding) => show(finding), { discard: true })
  if (findings.some(Survey.isUnseenBinding)) yield* output.note(blind)
  const missing = findings.filter(({ isOurs, state }) => isOurs && state._tag === "Missing").length
  const next = findings.some(Survey.isOff)
    ? `refuse: ${Survey.tally(findings)}`
    : `make ${missing === 0 ? "nothing" : missing} of these`
  yield* output.note(`Nothing has been changed. apply would ${next}.`)
}, Effect.scoped)

const verify = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { Survey, findings, show } = yield* look(input)
  yield* Effect.forEach(findings, (finding) => show(finding), { discard: true })
  if (findings.some(Survey.isUnseenBinding)) yield* output.note(blind)
  const wrong = Survey.tally(findings)
  if (wrong !== "") return yield* new CommandFailed({ message: `The broker is not as the module wants it: ${wrong}` })
}, Effect.scoped)

const made: Word = ["made", "green"]
/** It may have been bound before: it is now. */
const bound: Word = ["bound", "green"]

const apply = Effect.fnUntraced(function* (input: Input) {
  const { AmqpPlan } = yield* Modules.amqp
  const { Survey, findings, live, settings, show } = yield* look(input)
  const wanted = findings.filter(Survey.isWanted)
  const off = findings.filter(Survey.isOff)
  if (off.length > 0) {
    yield* Effect.forEach(off, (finding) => show(finding), { discard: true })
    return yield* new CommandFailed({
      message: `Nothing has been made, because what is there differs: ${Survey.tally(off)}`
    })
  }
  const making = new Set<Finding>(AmqpPlan.toMake(wanted))
  yield* Connection.asked(AmqpPlan.apply(live, settings, wanted))
  for (const finding of findings) {
    yield* making.has(finding) ? show(finding, Survey.isUnseenBinding(finding) ? bound : made) : show(finding)
  }
  const others = findings.filter(({ isOurs, state }) => !isOurs && state._tag === "Missing").length
  if (others > 0) {
    return yield* new CommandFailed({
      message: `${others} missing, for others to declare: that has not been done here`
    })
  }
}, Effect.scoped)

/**
 * @category commands
 * @since 0.1.0
 */
export const topology = Command.make("topology").pipe(
  Command.withShortDescription("Compare queues with what a module wants, and make them"),
  Command.withDescription(
    "Compare the exchanges, queues and bindings that a module's subscriptions need\n" +
      "  with what is on the broker, and make what is missing. It never deletes and\n" +
      "  never changes anything."
  ),
  Command.withSubcommands([
    Command.make("plan", flags, plan).pipe(
      Command.withDescription("Show what is there, what is missing, and what differs, argument by argument"),
      Command.withShortDescription("Show what is there, what is missing and what differs"),
      Command.withExamples([{ command: "eventbus topology plan --module ./subscriptions.ts" }])
    ),
    Command.make("apply", flags, apply).pipe(
      Command.withDescription("Make what is missing, or nothing at all where something differs"),
      Command.withShortDescription("Make what is missing"),
      Command.withExamples([{ command: "eventbus topology apply --module ./subscriptions.ts" }])
    ),
    Command.make("verify", flags, verify).pipe(
      Command.withDescription("Look whether all is as the module wants it. Exits with 1 when it is not."),
      Command.withShortDescription("Exit with 1 when something is missing or differs"),
      Command.withExamples([{ command: "eventbus topology verify --module ./subscriptions.ts" }])
    )
  ])
)
