/**
 * Topology, explanations, contracts and checks, as the page sees them.
 *
 * @internal
 */

import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import * as AmqpPlan from "@effect-eventbus/amqp/AmqpPlan"
import * as AsyncApi from "@effect-eventbus/inspect/AsyncApi"
import * as BrokerConnection from "@effect-eventbus/inspect/BrokerConnection"
import type { Contract } from "@effect-eventbus/inspect/Contract"
import * as Diagnosis from "@effect-eventbus/inspect/Diagnosis"
import * as Explanation from "@effect-eventbus/inspect/Explanation"
import * as OutcomeText from "@effect-eventbus/inspect/OutcomeText"
import * as TopologyReport from "@effect-eventbus/inspect/TopologyReport"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BrokerFailed, type Invalid, NotAvailable } from "../ConsoleError.ts"
import type * as Inspection from "../ConsoleInspection.ts"
import { invalid } from "./errors.ts"
import type { Settings } from "./settings.ts"

/** Why something is not there, and what to do. */
export const reasons = {
  contract: "No module is known: start the console with --module FILE, or give it a contract",
  broker: "There is no connection to RabbitMQ to ask: the console runs on a broker in memory, or without its settings",
  outbox: "The console has no outbox: start it with --database, or give it a storage",
  schedule: "The console has no schedule: start it with --database, or give it a storage",
  rates: "Rates are counted by the process that handles the events: mount the console in the application to see them"
} as const

const missing = (reason: keyof typeof reasons) => new NotAvailable({ message: reasons[reason] })

const contractOf = ({ contract }: Settings): Effect.Effect<Contract, NotAvailable> =>
  contract === undefined ? Effect.fail(missing("contract")) : Effect.succeed(contract)

export const amqpOf = ({ amqp, contract }: Settings): AmqpOptions.Settings =>
  amqp ?? AmqpOptions.settings(contract?.options ?? {})

const failed = ({ message }: { readonly message: string }): BrokerFailed =>
  new BrokerFailed({ reason: "Inspection", isRetryable: true, message })

const kinds = { Exchange: "exchange", Queue: "queue", Binding: "binding" } as const
export const states = {
  There: "there",
  Missing: "missing",
  Different: "different",
  Unseen: "unseen",
  Hidden: "hidden",
  Unwanted: "unwanted"
} as const

const findingOf = (finding: TopologyReport.Finding): typeof Inspection.Finding.Type => {
  const { isOurs, item, state } = finding
  const details = "why" in state ? [state.why] : TopologyReport.differences(finding)
  return { kind: kinds[item._tag], name: TopologyReport.nameOf(item), isOurs, state: states[state._tag], details }
}

const graphOf = (
  wanted: ReadonlyArray<AmqpPlan.Wanted>,
  contract: Contract
): (typeof Inspection.Topology.Type)["graph"] => {
  const nodes = new Map<string, typeof Inspection.GraphNode.Type>()
  const edges: Array<typeof Inspection.GraphEdge.Type> = []
  for (const { item } of wanted) {
    if (item._tag === "Exchange") {
      nodes.set(`exchange ${item.name}`, { id: `exchange ${item.name}`, kind: "exchange", name: item.name })
    } else if (item._tag === "Queue") {
      const { name } = item.declaration
      const kind = QueueSpec.isDeadLetterQueue(name) ? "dead-letter-queue" : "queue"
      nodes.set(`queue ${name}`, { id: `queue ${name}`, kind, name })
    } else {
      edges.push({ from: `exchange ${item.exchange}`, to: `queue ${item.queue}`, label: item.key })
    }
  }
  for (const { deadLetterQueue, name } of contract.subscriptions) {
    if (deadLetterQueue !== undefined) {
      edges.push({ from: `queue ${name}`, to: `queue ${deadLetterQueue}`, label: "dead letters" })
    }
  }
  return { nodes: [...nodes.values()], edges: edges.filter(({ from, to }) => nodes.has(from) && nodes.has(to)) }
}

export const wantedOf = (
  queues: ReadonlyArray<QueueSpec.QueueSpec>,
  amqp: AmqpOptions.Settings
): Effect.Effect<ReadonlyArray<AmqpPlan.Wanted>, BrokerFailed> =>
  Effect.try({
    try: () => AmqpPlan.wanted(queues, amqp),
    catch: (error) => failed({ message: error instanceof Error ? error.message : String(error) })
  })

export const topology = Effect.fnUntraced(function* (settings: Settings) {
  const contract = yield* contractOf(settings)
  const graph = graphOf(yield* wantedOf(contract.subscriptions, amqpOf(settings)), contract)
  const { amqp, management } = settings
  const at = yield* Clock.currentTimeMillis
  if (amqp === undefined) return { at, findings: [], summary: "", graph }
  const report = yield* Effect.scoped(
    Effect.flatMap(BrokerConnection.open(amqp, "consume"), (live) =>
      TopologyReport.make(live, contract.subscriptions, Option.fromUndefinedOr(management))
    )
  ).pipe(Effect.mapError(failed))
  return { at, findings: report.findings.map(findingOf), summary: TopologyReport.summary(report.counts), graph }
})

/** More delays say no more. */
const maxDelays = 20

const spanOf = ([least, most]: readonly [number, number]) => ({ least, most })

const receiverOf = (explained: Explanation.Explanation): typeof Inspection.Receiver.Type => ({
  queue: explained.queue,
  patterns: explained.patterns,
  isKnownType: explained.isKnownType,
  atMostOnce: explained.atMostOnce,
  holdFor: explained.ordering?.holdFor,
  concurrency: explained.concurrency,
  timeout: explained.timeout,
  deadLetterQueue: explained.deadLetterQueue,
  waitQueues: explained.waitQueues,
  outcomes: explained.outcomes?.map((outcome) => ({
    ...outcome,
    delays: outcome.delays.slice(0, maxDelays).map(spanOf),
    pauses: outcome.pauses.slice(0, maxDelays).map(spanOf),
    text: OutcomeText.describe(outcome)
  }))
})

export const explain = Effect.fnUntraced(function* (
  settings: Settings,
  key: string
): Effect.fn.Return<typeof Inspection.Explanation.Type, NotAvailable | Invalid> {
  const contract = yield* contractOf(settings)
  const routingKey = yield* Effect.try({
    try: () => RoutingKey.check(key),
    catch: (error) => invalid(error instanceof Error ? error.message : String(error))
  })
  const receivers = yield* Explanation.make(routingKey, contract, amqpOf(settings))
  return { routingKey, receivers: receivers.map(receiverOf) }
})

export const contracts = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<typeof Inspection.Contracts.Type, NotAvailable> {
  const contract = yield* contractOf(settings)
  const document = yield* Effect.mapError(
    AsyncApi.make(contract, amqpOf(settings)),
    ({ message }) => new NotAvailable({ message })
  )
  const queuesOf = (type: string) =>
    contract.subscriptions
      .filter(({ patterns }) =>
        patterns.some((pattern) => RoutingKey.matches(pattern, RoutingKey.make(type, "normal")))
      )
      .map(({ name }) => name)
  return {
    title: contract.info.title,
    version: contract.info.version,
    types: contract.eventTypes.map(({ name, version }) => ({ name, version, queues: queuesOf(name) })),
    // What is no JSON is left out, as in the file that `eventbus asyncapi` writes.
    asyncApi: Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))(JSON.stringify(document))
  }
})

export const doctor = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<typeof Inspection.Diagnosis.Type, NotAvailable | BrokerFailed> {
  const { amqp, contract, management } = settings
  if (amqp === undefined) return yield* missing("broker")
  const at = yield* Clock.currentTimeMillis
  const target = {
    settings: amqp,
    queues: contract?.subscriptions ?? [],
    management: Option.fromUndefinedOr(management)
  }
  const checks = yield* Effect.mapError(Stream.runCollect(Diagnosis.run(target)), failed)
  const took = (yield* Clock.currentTimeMillis) - at
  return {
    at,
    took,
    checks: checks.map((check) => ({
      check: check.check,
      status: check.status,
      detail: check.detail,
      advice: check.status === "ok" ? undefined : check.advice
    }))
  }
})

export const outbox = Effect.fnUntraced(function* ({
  storage
}: Settings): Effect.fn.Return<typeof Inspection.Outbox.Type, NotAvailable | BrokerFailed> {
  const { outbox } = storage ?? {}
  if (outbox === undefined) return yield* missing("outbox")
  const { oldest, parked: parkedCount, waiting } = yield* Effect.mapError(outbox.stats, failed)
  const parked = yield* Effect.mapError(outbox.parked, failed)
  return {
    at: yield* Clock.currentTimeMillis,
    waiting,
    oldest,
    parkedCount,
    parked: parked.map(({ bytes, eventId, eventType, key, parkedAt, reason }) => ({
      id: eventId,
      type: eventType,
      key,
      bytes,
      parkedAt: parkedAt.getTime(),
      reason
    }))
  }
})

export const requeue = Effect.fnUntraced(function* (
  { storage }: Settings,
  { all, id }: { readonly id?: string | undefined; readonly all?: boolean | undefined }
): Effect.fn.Return<{ readonly requeued: number }, NotAvailable | Invalid | BrokerFailed> {
  const { outbox } = storage ?? {}
  if (outbox === undefined) return yield* missing("outbox")
  if ((id === undefined) !== (all === true)) return yield* invalid("Choose one event by its id, or all of them")
  return { requeued: yield* Effect.mapError(outbox.requeue(id), failed) }
})

export const schedule = Effect.fnUntraced(function* ({
  storage
}: Settings): Effect.fn.Return<typeof Inspection.Schedule.Type, NotAvailable | BrokerFailed> {
  const { schedule } = storage ?? {}
  if (schedule === undefined) return yield* missing("schedule")
  const events = yield* Effect.mapError(schedule.list, failed)
  return {
    at: yield* Clock.currentTimeMillis,
    events: events.map(({ due, eventType, id, key }) => ({ id, type: eventType, key, due: due.getTime() }))
  }
})

/** Cancels a scheduled event, and returns whether it was still there. */
export const cancel = Effect.fnUntraced(function* (
  { storage }: Settings,
  id: string
): Effect.fn.Return<boolean, NotAvailable | BrokerFailed> {
  const { schedule } = storage ?? {}
  if (schedule === undefined) return yield* missing("schedule")
  return yield* Effect.mapError(schedule.cancel(id), failed)
})
