/**
 * `eventbus topology`: compares what a module's subscriptions need with what is on the
 * broker, creates what is missing, and prunes what is left over.
 *
 * @since 0.1.0
 */

import type { Finding } from "@effect-eventbus/inspect/TopologyReport"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"
import type { Word } from "../TopologyView.ts"
import { prune } from "./topology/prune.ts"

const flags = {
  module: Parameters.module,
  json: Parameters.json("Print each exchange, queue and binding as JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const compare = Effect.fnUntraced(function* (input: Input) {
  const { BrokerConnection, Contract, Management, TopologyReport } = yield* lazyImports.inspect
  const TopologyView = yield* Effect.promise(() => import("../TopologyView.ts"))
  const { options, subscriptions } = yield* Contract.load(input.module)
  const settings = yield* Connection.settings(options)
  const management = yield* Management.fromConfig(settings)
  const live = yield* BrokerConnection.open(settings, "consume")
  const report = yield* TopologyReport.make(live, subscriptions, management)
  const output = yield* Output
  const show = (finding: Finding, word: Word = TopologyView.words[finding.state._tag]) =>
    input.json
      ? output.json(TopologyView.toJson(finding, word))
      : output.line(TopologyView.format(finding, word, output))
  const showAll = (findings: ReadonlyArray<Finding>) =>
    Effect.forEach(findings, (finding) => show(finding), { discard: true })
  return { TopologyReport, live, report, show, showAll }
})

const unseenBindings = "RabbitMQ does not report bindings over AMQP: set RABBITMQ_MANAGEMENT_URL."

const plan = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { TopologyReport, live, report, showAll } = yield* compare(input)
  yield* showAll(report.findings)
  const delays = yield* TopologyReport.delays(live)
  yield* showAll(delays)
  if (report.findings.some(TopologyReport.isUnseenBinding)) yield* output.note(unseenBindings)
  if (delays.some(({ state }) => state._tag === "Missing")) {
    yield* output.note("The next delayed event declares the queue that is missing for delays.")
  }
  const missing = report.findings.filter(({ isOurs, state }) => isOurs && state._tag === "Missing").length
  const next =
    TopologyReport.conflicts(report).length > 0
      ? `refuse: ${TopologyReport.summary(report.counts)}`
      : missing === 0
        ? "create nothing"
        : `create ${missing} of these`
  yield* output.note(`Nothing was changed. apply would ${next}.`)
}, Effect.scoped)

const verify = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { TopologyReport, report, showAll } = yield* compare(input)
  yield* showAll(report.findings)
  if (report.findings.some(TopologyReport.isUnseenBinding)) yield* output.note(unseenBindings)
  const wrong = TopologyReport.summary(report.counts)
  if (wrong !== "") return yield* new CommandFailed({ message: `The broker does not match the module: ${wrong}` })
}, Effect.scoped)

const made: Word = ["made", "green"]
/** The binding may have existed before. */
const bound: Word = ["bound", "green"]

const apply = Effect.fnUntraced(function* (input: Input) {
  const { TopologyReport, live, report, show, showAll } = yield* compare(input)
  const created = yield* TopologyReport.apply(live, report).pipe(
    Effect.tapErrorTag("TopologyConflict", () => showAll(TopologyReport.conflicts(report)))
  )
  for (const finding of report.findings) {
    yield* created.includes(finding)
      ? show(finding, TopologyReport.isUnseenBinding(finding) ? bound : made)
      : show(finding)
  }
  const others = report.findings.filter(({ isOurs, state }) => !isOurs && state._tag === "Missing").length
  if (others > 0) {
    return yield* new CommandFailed({ message: `${others} missing, which another application has to declare` })
  }
}, Effect.scoped)

/**
 * @category commands
 * @since 0.1.0
 */
export const topology = Command.make("topology").pipe(
  Command.withShortDescription("Compare the broker with a module, and create queues"),
  Command.withDescription(
    "Compare the exchanges, queues and bindings that a module's subscriptions need\n" +
      "  with those on the broker, and create what is missing. Existing items are never\n" +
      "  changed, and only prune deletes."
  ),
  Command.withSubcommands([
    Command.make("plan", flags, plan).pipe(
      Command.withDescription("Show what exists, what is missing, and which arguments differ"),
      Command.withShortDescription("Show what exists, what is missing and what differs"),
      Command.withExamples([{ command: "eventbus topology plan --module ./subscriptions.ts" }])
    ),
    Command.make("apply", flags, apply).pipe(
      Command.withDescription("Create what is missing, or nothing if existing items differ"),
      Command.withShortDescription("Create what is missing"),
      Command.withExamples([{ command: "eventbus topology apply --module ./subscriptions.ts" }])
    ),
    Command.make("verify", flags, verify).pipe(
      Command.withDescription("Check that the broker matches the module. Exits with 1 if it does not."),
      Command.withShortDescription("Exit with 1 if something is missing or differs"),
      Command.withExamples([{ command: "eventbus topology verify --module ./subscriptions.ts" }])
    ),
    prune
  ])
)
