/**
 * `eventbus explain`: shows which queues of a module receive the events of a routing
 * key, and what happens when their handlers fail. It needs no broker.
 *
 * @since 0.1.0
 */

import type { Explanation, Outcome } from "@effect-eventbus/inspect/Explanation"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, pad, pipedColumns, plain, wrap } from "../Output.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  routingKey: Argument.String("routing-key").pipe(
    Argument.withDescription("The routing key of an event: <type>.<priority>"),
    Argument.mapTryCatch(RoutingKey.check, Parameters.reason)
  ),
  module: Parameters.module,
  json: Parameters.json("Print each queue as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000]
] as const

const parts = (millis: number): readonly [value: string, unit: string] => {
  const [unit, size] = units.find(([, size]) => millis >= size) ?? ["ms", 1]
  return [String(Number((millis / size).toFixed(1))), unit]
}

const range = ([least, most]: readonly [number, number]): string => {
  const [[from, fromUnit], [to, toUnit]] = [parts(least), parts(most)]
  if (fromUnit !== toUnit) return `${from} ${fromUnit} to ${to} ${toUnit}`
  return from === to ? `${from} ${fromUnit}` : `${from} to ${to} ${fromUnit}`
}

/** Of a longer list of delays, the first ones and the last are shown. */
const shown = 5

const after = (delays: Outcome["delays"]): string => {
  const texts = delays.map(range)
  const last = texts.at(-1) ?? ""
  if (texts.every((text) => text === last)) return `${last}${texts.length > 1 ? " each" : ""}`
  const first = texts.slice(0, shown).join(", ")
  return texts.length <= shown ? first : `${first}, … ${last}`
}

const ends: Record<Outcome["end"], string> = {
  "dead-lettered": "dead-lettered",
  discarded: "discarded",
  acknowledged: "acknowledged",
  requeued: "requeued",
  unknown: "it depends on the error"
}

const describe = ({ delays, end, isEndless, isUpToEvent }: Outcome): string => {
  if (delays.length === 0) return end === "unknown" ? ends[end] : `${ends[end]} at once`
  const often = isEndless
    ? "without limit"
    : isUpToEvent
      ? `up to max_retries times (${delays.length} by default)`
      : delays.length === 1
        ? "once"
        : `${delays.length} times`
  const then = isEndless ? "" : `; then ${ends[end]}`
  return `retried ${often}, after ${after(delays)}${then}`
}

/** Joins the names of wait queues, which differ only in their delay. */
const together = (queue: string, names: ReadonlyArray<string>): string => {
  const before = `wait.${queue}.`
  const delays = names.map((name) => name.slice(before.length).split(".")[0])
  const [name = ""] = names
  const after = name.slice(`${before}${delays[0]}`.length)
  return names.length < 2 ? name : `${before}{ms}${after}, with ms = ${delays.join(", ")}`
}

const rows = (explanation: Explanation): ReadonlyArray<readonly [label: string, text: string]> => {
  const {
    around,
    atMostOnce,
    concurrency,
    deadLetterQueue,
    isKnownType,
    messageTtl,
    outcomes,
    queue,
    timeout,
    waitQueues
  } = explanation
  const rejected = deadLetterQueue === undefined ? "discarded" : "dead-lettered"
  const handled = [
    concurrency === undefined ? "concurrently, up to the prefetch count" : `${concurrency} at a time`,
    ...(timeout === undefined ? [] : [`with a timeout of ${range([timeout, timeout])}`]),
    ...(atMostOnce ? ["acknowledged before handling"] : [])
  ]
  return [
    ["handled", handled.join(", ")],
    ...(around.length === 0 ? [] : [["wrapped by", around.join(", ")] as const]),
    ...(isKnownType ? [] : [["event type", `unknown to the handler: ${rejected} at once`] as const]),
    ...(messageTtl === undefined
      ? []
      : [["in the queue", `${range([messageTtl, messageTtl])} at most, then ${rejected}`] as const]),
    ...(outcomes?.map((outcome) => [outcome.failure, describe(outcome)] as const) ?? [
      ["any failure", "unknown: this module does not export the handler"]
    ]),
    ...(waitQueues.length === 0 ? [] : [["waits in", together(queue, waitQueues)] as const]),
    ["dead letters", deadLetterQueue ?? "not kept"]
  ]
}

const show = Effect.fnUntraced(function* (explanation: Explanation) {
  const output = yield* Output
  const { columns = pipedColumns, paint } = output
  const all = rows(explanation)
  const width = Math.max(...all.map(([label]) => label.length)) + 2
  const by = explanation.patterns.join(", ")
  yield* output.line(`\n${paint("bold", plain(explanation.queue))}  ${paint("dim", plain(`by ${by}`))}`)
  for (const [label, text] of all) {
    yield* output.line(`  ${paint("dim", pad(plain(label), width))}${wrap(plain(text), columns, width + 2)}`)
  }
})

const toJson = (routingKey: string, explanation: Explanation): unknown => ({
  routing_key: routingKey,
  queue: explanation.queue,
  patterns: explanation.patterns,
  known_type: explanation.isKnownType,
  concurrency: explanation.concurrency ?? null,
  at_most_once: explanation.atMostOnce,
  around: explanation.around,
  timeout_ms: explanation.timeout ?? null,
  message_ttl_ms: explanation.messageTtl ?? null,
  failures:
    explanation.outcomes?.map(({ delays, end, failure, isEndless, isUpToEvent }) => ({
      failure,
      retries: isEndless ? null : delays.length,
      up_to_max_retries: isUpToEvent,
      delays_ms: delays,
      end: isEndless ? null : end
    })) ?? null,
  wait_queues: explanation.waitQueues,
  dead_letters: explanation.deadLetterQueue ?? null
})

const run = Effect.fnUntraced(function* ({ json, module, routingKey }: Input) {
  const { Contract, Explanation } = yield* lazyImports.inspect
  const contract = yield* Contract.load(module)
  const settings = yield* Connection.settings(contract.options)
  const explanations = yield* Explanation.make(routingKey, contract, settings)
  const output = yield* Output
  if (json) {
    return yield* Effect.forEach(explanations, (each) => output.json(toJson(routingKey, each)), { discard: true })
  }
  const queues = new Set(explanations.map(({ queue }) => queue)).size
  const reaches = queues === 0 ? "no queue of this module" : queues === 1 ? "1 queue" : `${queues} queues`
  yield* output.line(`${plain(routingKey)} reaches ${reaches}`)
  yield* Effect.forEach(explanations, show, { discard: true })
})

/**
 * @category commands
 * @since 0.1.0
 */
export const explain = Command.make("explain", flags, run).pipe(
  Command.withShortDescription("Show where an event goes, and what if it fails"),
  Command.withDescription(
    "Show which queues of a module receive the events of a routing key, by which\n" +
      "  patterns, and what happens when their handlers fail: the retries for each\n" +
      "  error, the queues in which they wait, and the end. It needs no broker, because\n" +
      "  it runs the failure policies themselves."
  ),
  Command.withExamples([{ command: "eventbus explain invoice.paid.high --module ./subscriptions.ts" }])
)
