/**
 * `eventbus explain`: shows which queues of a module receive the events of a routing
 * key, and what happens when their handlers fail. It needs no broker.
 *
 * @since 0.1.0
 */

import type { Delay, Explanation, Versions } from "@effect-eventbus/inspect/Explanation"
import * as OutcomeText from "@effect-eventbus/inspect/OutcomeText"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, pad, pipedColumns, plain, wrap } from "../Output.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  routingKey: Argument.String("routing-key").pipe(
    Argument.withDescription("An event type, or a key: <type>.<priority>"),
    Argument.mapTryCatch(RoutingKey.check, Parameters.reason)
  ),
  module: Parameters.module,
  delay: Flag.optional(Parameters.delay("Show where it waits that long, up to 49d")),
  json: Parameters.json("Print each queue as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

/** Joins the names of wait queues, which differ only in their delay. */
const together = (queue: string, names: ReadonlyArray<string>): string => {
  const before = `wait.${queue}.`
  const delays = names.map((name) => name.slice(before.length).split(".")[0])
  const [name = ""] = names
  const after = name.slice(`${before}${delays[0]}`.length)
  return names.length < 2 ? name : `${before}{ms}${after}, with ms = ${delays.join(", ")}`
}

/** Returns whether there is more to say than that the first version is read. */
const hasVersions = ({ acceptsNewer, newest }: Versions): boolean => newest > 1 || acceptsNewer

/** Describes the versions that are read. */
const versionRows = (
  versions: Versions | undefined,
  rejected: string
): ReadonlyArray<readonly [label: string, text: string]> => {
  if (versions === undefined || !hasVersions(versions)) return []
  const { acceptsNewer, newest, steps } = versions
  const older = steps.map((step) => `version ${step} by a step`)
  // Without a step, the schema reads the older versions itself.
  const all = [`version ${newest}`, ...older, ...(steps.length === 0 && newest > 1 ? ["older ones as they are"] : [])]
  return [["reads", `${all.join(", ")}; newer ones are ${acceptsNewer ? `read as version ${newest}` : rejected}`]]
}

const sealedBy = ({ name, over }: Explanation["bodies"][number]): string => {
  if (over === 0) return name
  return `${name} over ${over % 1024 === 0 ? `${over / 1024} KiB` : `${over} bytes`}`
}

const rows = (explanation: Explanation): ReadonlyArray<readonly [label: string, text: string]> => {
  const {
    around,
    atMostOnce,
    batch,
    bodies,
    concurrency,
    deadLetterQueue,
    deliveryLimit,
    isKnownType,
    messageTtl,
    ordering,
    outcomes,
    prefetch,
    queue,
    request,
    timeout,
    versions,
    waitQueues
  } = explanation
  const rejected = deadLetterQueue === undefined ? "discarded" : "dead-lettered"
  const handled = [
    `${concurrency} at a time`,
    ...(prefetch === undefined ? [] : [`${prefetch} taken from the queue in advance`]),
    ...(timeout === undefined ? [] : [`with a timeout of ${OutcomeText.range([timeout, timeout])}`]),
    ...(atMostOnce ? ["acknowledged before handling"] : [])
  ]
  return [
    ["handled", handled.join(", ")],
    ...(ordering === undefined
      ? []
      : [
          [
            "in order",
            `one event of a key at a time, by one process while others stand by; a failing one is retried in its place for ${OutcomeText.range([ordering.holdFor, ordering.holdFor])} at most, and its dead letter parks the key`
          ] as const
        ]),
    ...(batch === undefined
      ? []
      : [["in batches", `of up to ${batch.size}, within ${OutcomeText.range([batch.within, batch.within])}`] as const]),
    ...(request === undefined ? [] : [["replies to", `${request}, until its deadline`] as const]),
    ...(around.length === 0 ? [] : [["wrapped by", around.join(", ")] as const]),
    ...(isKnownType ? [] : [["event type", `unknown to the handler: ${rejected} at once`] as const]),
    ...versionRows(versions, rejected),
    ...(bodies.length === 0 ? [] : [["sealed by", bodies.map(sealedBy).join(", ")] as const]),
    ...(messageTtl === undefined
      ? []
      : [["in the queue", `${OutcomeText.range([messageTtl, messageTtl])} at most, then ${rejected}`] as const]),
    ...(outcomes?.map((outcome) => [outcome.failure, OutcomeText.describe(outcome)] as const) ?? [
      ["any failure", "unknown: this module does not export the handler"]
    ]),
    ...(atMostOnce || deliveryLimit === undefined
      ? []
      : [
          [
            "consumer lost",
            `delivered again, ${deliveryLimit} times at most, then ${rejected}; this uses up no attempt`
          ] as const
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

const toJson = (routingKey: string, explanation: Explanation, delay: Delay | undefined): unknown => ({
  routing_key: routingKey,
  queue: explanation.queue,
  patterns: explanation.patterns,
  known_type: explanation.isKnownType,
  ...(delay === undefined ? {} : { delay_ms: delay.delay, delay_queues: delay.queues }),
  ...(explanation.bodies.length === 0
    ? {}
    : { bodies: explanation.bodies.map(({ name, over }) => ({ step: name, over_bytes: over })) }),
  ...(explanation.versions === undefined || !hasVersions(explanation.versions)
    ? {}
    : {
        version: explanation.versions.newest,
        steps_from: explanation.versions.steps,
        accepts_newer: explanation.versions.acceptsNewer
      }),
  concurrency: explanation.concurrency,
  prefetch: explanation.prefetch ?? null,
  at_most_once: explanation.atMostOnce,
  ...(explanation.ordering === undefined ? {} : { ordered: true, hold_for_ms: explanation.ordering.holdFor }),
  around: explanation.around,
  ...(explanation.request === undefined ? {} : { replies_to: explanation.request }),
  ...(explanation.batch === undefined
    ? {}
    : { batch_size: explanation.batch.size, batch_within_ms: explanation.batch.within }),
  timeout_ms: explanation.timeout ?? null,
  message_ttl_ms: explanation.messageTtl ?? null,
  delivery_limit: explanation.deliveryLimit ?? null,
  failures:
    explanation.outcomes?.map(({ delays, end, failure, isEndless, isUpToEvent, isUpToTime, pauses }) => ({
      failure,
      retries: isEndless ? null : delays.length,
      attempts: isEndless ? null : delays.length + 1,
      up_to_max_retries: isUpToEvent,
      up_to_time: isUpToTime,
      delays_ms: delays,
      pauses_ms: pauses,
      end: isEndless ? null : end
    })) ?? null,
  wait_queues: explanation.waitQueues,
  dead_letters: explanation.deadLetterQueue ?? null
})

const run = Effect.fnUntraced(function* ({ delay: wanted, json, module, routingKey: given }: Input) {
  const { Contract, Explanation } = yield* lazyImports.inspect
  const contract = yield* Contract.load(module)
  const settings = yield* Connection.settings(contract.options)
  const found = yield* Explanation.make(given, contract, settings)
  const isType = found.length === 0 && contract.eventTypes.some(({ name }) => name === given)
  const routingKey = isType ? RoutingKey.make(given, "normal") : given
  const explanations = isType ? yield* Explanation.make(routingKey, contract, settings) : found
  const delay = Option.getOrUndefined(
    Option.map(wanted, (duration) => Explanation.delayed(Duration.toMillis(duration), settings))
  )
  const output = yield* Output
  if (json) {
    return yield* Effect.forEach(explanations, (each) => output.json(toJson(routingKey, each, delay)), {
      discard: true
    })
  }
  const queues = new Set(explanations.map(({ queue }) => queue)).size
  const reaches = queues === 0 ? "no queue of this module" : queues === 1 ? "1 queue" : `${queues} queues`
  yield* output.line(`${plain(routingKey)} reaches ${reaches}`)
  if (delay !== undefined) {
    const { columns = pipedColumns } = output
    const text = `Until then it waits ${OutcomeText.range([delay.delay, delay.delay])} in ${delay.queues.join(", ")}`
    yield* output.line(wrap(plain(text), columns, 0))
  }
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
  Command.withExamples([
    { command: "eventbus explain invoice.paid --module ./subscriptions.ts" },
    { command: "eventbus explain invoice.paid.high --module ./subscriptions.ts" },
    { command: "eventbus explain invoice.paid.high --delay 3d --module ./subscriptions.ts" }
  ])
)
