/**
 * A diagnosis of a broker: checks of the connection, the version, permissions, clocks,
 * topology, backlogs and full queues. Each check that is not `ok` says what to do.
 *
 * @since 0.1.0
 */

import { AmqpLadder, AmqpProbe, AmqpQueue, AmqpTopology } from "@effect-eventbus/amqp"
import type { AmqpConnection, AmqpOptions } from "@effect-eventbus/amqp"
import type * as ClaimCheck from "@effect-eventbus/bodies/ClaimCheck"
import type { QueueInfo } from "effect-eventbus/Broker"
import type { BrokerError, Reason } from "effect-eventbus/BrokerError"
import { isDeadLetterQueue, originOf, type QueueSpec } from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as BrokerConnection from "./BrokerConnection.ts"
import type { ContractError } from "./ContractError.ts"
import { blobsOf } from "./internal/blobCheck.ts"
import type { Check } from "./internal/check.ts"
import type { FeatureFlag, Management } from "./Management.ts"
import type { ManagementError } from "./ManagementError.ts"
import * as QueueLimit from "./QueueLimit.ts"
import * as QueueReport from "./QueueReport.ts"
import * as TopologyReport from "./TopologyReport.ts"

export { blobs } from "./internal/blobCheck.ts"
export type { Check } from "./internal/check.ts"

/**
 * The broker to diagnose.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  readonly settings: AmqpOptions.Settings
  /** The subscriptions whose queues are checked. */
  readonly queues: ReadonlyArray<QueueSpec>
  readonly management: Option.Option<Management>
  /** Looks for the blobs that nothing refers to. `undefined`: the application has no store of payloads. */
  readonly blobs?: Effect.Effect<ClaimCheck.Survey, { readonly message: string }> | undefined
}

const apply = "Run `eventbus topology apply`, or start the application."

const upgrade = "Upgrade RabbitMQ to 4.2, or to 4.3.5 or later."

/**
 * Checks a version of RabbitMQ.
 *
 * **Details**
 *
 * 3.10 is the first version whose quorum queues support a message TTL. Before 4.3.3, a
 * leader could treat a message as committed too early
 * (https://github.com/rabbitmq/ra/pull/637); before 4.3.5, a queue could be used before
 * it had recovered.
 *
 * @category checks
 * @since 0.1.0
 */
export const version = (version: string): Check => {
  const [, major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version) ?? []).map(Number)
  const found = { check: "version", detail: `RabbitMQ ${version}` }
  const but = (status: "warn" | "fail", why: string, advice: string): Check => ({
    ...found,
    status,
    detail: `${found.detail}: ${why}`,
    advice
  })
  if (major === 0) return but("warn", "an unknown version", "Check that the broker is RabbitMQ 3.10 or later.")
  if (major < 3 || (major === 3 && minor < 10)) {
    return but("fail", "its quorum queues do not support a message TTL, so retries would wait forever", upgrade)
  }
  if (major === 3) return but("warn", "it no longer gets fixes from the community", upgrade)
  if (major === 4 && minor === 3 && patch < 3) {
    return but("fail", "it may confirm messages before they are safe, and lose them", upgrade)
  }
  if (major === 4 && minor === 3 && patch < 5) {
    return but("warn", "a queue may be used before it has recovered", upgrade)
  }
  return { ...found, status: "ok" }
}

/**
 * Checks for events that are lost if they expire just before RabbitMQ is killed.
 *
 * **Details**
 *
 * From 4.0 on, RabbitMQ does not write a message at once that expires from one classic
 * queue into another.
 *
 * @category checks
 * @since 0.1.0
 */
export const expiry = (
  version: string,
  queues: ReadonlyArray<QueueSpec>,
  settings: AmqpOptions.Settings
): ReadonlyArray<Check> => {
  if (!(Number.parseInt(version, 10) >= 4)) return []
  const isClassic = ({ arguments: args }: AmqpTopology.Declaration) => args["x-queue-type"] === "classic"
  return queues.flatMap((queue): ReadonlyArray<Check> => {
    const { deadLetterQueue, messageTtl, name } = queue
    if (messageTtl === undefined || deadLetterQueue === undefined) return []
    const declared = [AmqpTopology.workQueue(queue, settings), AmqpTopology.deadLetterQueue(deadLetterQueue, settings)]
    if (!declared.every(isClassic)) return []
    return [
      {
        check: "expiry",
        status: "warn",
        detail: `${name} and ${deadLetterQueue} are classic queues: a killed RabbitMQ loses what has just expired`,
        advice: "Make one of them a quorum queue (queueType)."
      }
    ]
  })
}

/** The advice for each reason why a connection failed. */
const remedies: Partial<Record<Reason["_tag"], string>> = {
  ConnectionFailed: "Check RABBITMQ_HOST and RABBITMQ_PORT. `docker compose up -d --wait` starts a local broker.",
  AuthenticationFailed:
    "Check RABBITMQ_USER and RABBITMQ_PASSWORD. The user guest may log in only from the broker's own host.",
  VhostNotFound: "Check RABBITMQ_VHOST, or use `rabbitmqctl add_vhost` and `rabbitmqctl set_permissions`.",
  TooFewChannels: "Raise channel_max in rabbitmq.conf, or in the URL. 2047 is RabbitMQ's own default.",
  PermissionDenied: "Grant the user access to the virtual host with `rabbitmqctl set_permissions`.",
  CertificateRejected: "Trust its authority with NODE_EXTRA_CA_CERTS, or use the host name in its certificate.",
  TlsFailed: "Use the port of TLS, which is usually 5671, or an amqp:// URL where the broker has no TLS."
}

/**
 * Returns the failed check of a connection.
 *
 * @category checks
 * @since 0.1.0
 */
export const noConnection = ({ message, reason }: BrokerError): Check => ({
  check: "connection",
  status: "fail",
  detail: message,
  advice: remedies[reason._tag] ?? "Check the log of RabbitMQ."
})

const noManagement = "Set RABBITMQ_MANAGEMENT_URL to check this."

/** Makes checks of what only the management API tells. */
const managed = <A>(
  { management }: Target,
  check: string,
  ask: (management: Management) => Effect.Effect<A, ManagementError>,
  checks: (answer: A) => ReadonlyArray<Check>
): Effect.Effect<ReadonlyArray<Check>> => {
  const skip = (detail: string, advice: string): ReadonlyArray<Check> => [{ check, status: "skip", detail, advice }]
  return Option.match(management, {
    onNone: () => Effect.succeed(skip("not available over AMQP", noManagement)),
    onSome: (management) =>
      Effect.match(ask(management), {
        onFailure: ({ message }) =>
          skip(message, "Check RABBITMQ_MANAGEMENT_URL, and that the user has the tag monitoring."),
        onSuccess: checks
      })
  })
}

const featureFlags = (flags: ReadonlyArray<FeatureFlag>): ReadonlyArray<Check> => {
  const check = "feature flags"
  const off = flags.filter(({ stability, state }) => state === "disabled" && stability !== "experimental")
  if (off.length === 0) return [{ check, status: "ok", detail: `all ${flags.length} stable flags are enabled` }]
  const detail = `disabled: ${off.map(({ name }) => name).join(", ")}`
  const advice = "Once all nodes run the same version, use `rabbitmqctl enable_feature_flag all`."
  return [{ check, status: "warn", detail, advice }]
}

/**
 * Checks that no queue is full.
 *
 * **Details**
 *
 * A full queue either takes no more messages or loses its oldest ones. Where a queue of
 * dead letters takes no more, the events stay with their consumers, which soon stand still.
 *
 * @category checks
 * @since 0.1.0
 */
export const limits = (queues: ReadonlyArray<QueueLimit.QueueLimit>): ReadonlyArray<Check> => {
  const check = "limits"
  const full = queues.filter(QueueLimit.isFull)
  if (full.length === 0) return [{ check, status: "ok", detail: "no queue is full" }]
  return full.map(({ bytes, maxBytes, maxMessages, messages, name, rejects }) => {
    const isDead = isDeadLetterQueue(name)
    const has =
      maxMessages !== undefined && messages >= maxMessages
        ? `${messages === 1 ? "1 message" : `${messages} messages`} (max-length ${maxMessages})`
        : `${bytes} bytes (max-length-bytes ${maxBytes})`
    const space = isDead
      ? `Replay or purge its dead letters (\`eventbus dlq groups ${originOf(name)}\`)`
      : "Let its consumers catch up"
    const effect = rejects
      ? `takes no more${isDead ? " dead letters, so the consumers wait whose events should go there" : ", so publishes and retries to it fail"}`
      : `loses its oldest ${isDead ? "dead letters" : "events"}`
    return {
      check,
      status: rejects ? "fail" : "warn",
      detail: `"${name}" is full with ${has} and ${effect}`,
      advice: `${space}, or raise the limit in its policy or arguments.`
    }
  })
}

const permissions = ({ settings }: Target, permissions: ReadonlyArray<AmqpProbe.Permission>): ReadonlyArray<Check> => {
  const check = "permission"
  const [{ username, vhost }] = settings.endpoints
  const unknown = permissions.filter(({ outcome }) => outcome === "untold").map(({ operation }) => operation)
  const known = permissions.flatMap(({ needs, operation, outcome }): ReadonlyArray<Check> => {
    if (outcome === "granted") return [{ check, status: "ok", detail: operation }]
    if (outcome === "untold") return []
    const detail = `${operation}: denied to "${username}"`
    const grant = `rabbitmqctl set_permissions -p "${vhost}" "${username}" <configure> <write> <read>`
    return [{ check, status: "fail", detail, advice: `Grant ${needs}: ${grant}.` }]
  })
  if (unknown.length === 0) return known
  const detail = `cannot be checked before the queue or exchange exists: ${unknown.join(", ")}`
  return [...known, { check, status: "skip", detail, advice: apply }]
}

/** The clocks of two synchronized machines differ by less. In milliseconds. */
const tolerance = 5000

const seconds = (millis: number): string => `${(Math.abs(millis) / 1000).toFixed(1)} s`

/**
 * Checks the difference between the broker's clock and the one of this machine.
 *
 * @category checks
 * @since 0.1.0
 */
export const clock = ({ least, most }: AmqpProbe.ClockDifference): Check => {
  const check = "clock"
  const isAhead = least > 0
  const difference = seconds(isAhead ? least : most)
  if (least <= tolerance && most >= -tolerance) {
    const detail =
      least <= 0 && most >= 0
        ? "the broker's clock and this one agree within a second"
        : `the broker's clock is at least ${difference} ${isAhead ? "ahead" : "behind"}`
    return { check, status: "ok", detail }
  }
  return {
    check,
    status: "warn",
    detail: `the broker's clock is at least ${difference} ${isAhead ? "ahead of" : "behind"} this one`,
    advice: "Synchronize both with NTP: ages and expirations are computed from both clocks."
  }
}

/** Checks what can be checked only on a connection for publishing. */
const publishing = Effect.fnUntraced(function* (
  target: Target
): Effect.fn.Return<ReadonlyArray<Check>, BrokerError, Scope.Scope> {
  const { settings } = target
  const live = yield* BrokerConnection.open(settings, "publish")
  return yield* Effect.gen(function* () {
    const publishes = yield* AmqpProbe.publishing(live)
    const unknown = (detail: string) =>
      Effect.succeed<Check>({ check: "clock", status: "skip", detail: `unknown: ${detail}`, advice: apply })
    const time = yield* Effect.catchTags(Effect.map(AmqpProbe.clock(live), clock), {
      NotFound: ({ name }) => unknown(`"${name}" does not exist`),
      PermissionDenied: ({ operation }) => unknown(`no permission to ${operation}`),
      Refused: ({ detail }) => unknown(detail)
    })
    return [{ check: "alarms", status: "ok", detail: "none" } as const, time, ...permissions(target, publishes)]
  }).pipe(
    Effect.catchTag("TimedOut", (reason) =>
      live.blocked === undefined
        ? Effect.fail(reason)
        : Effect.succeed<ReadonlyArray<Check>>([
            {
              check: "alarms",
              status: "fail",
              detail: `RabbitMQ blocks publishers: ${live.blocked}`,
              advice: "Free memory or disk on its nodes (`rabbitmq-diagnostics alarms`), or let consumers catch up."
            }
          ])
    ),
    BrokerConnection.asBrokerError
  )
})

const subscribing = (target: Target, live: AmqpConnection.Live) =>
  Effect.map(BrokerConnection.asBrokerError(AmqpProbe.subscribing(live, target.queues)), (outcomes) =>
    permissions(target, outcomes)
  )

/** Whether dead letters or retries get lost while the item is missing. */
const isNeededByFailures = ({ item }: TopologyReport.Finding, { deadLetterExchange }: AmqpOptions.Settings): boolean =>
  item._tag === "Queue"
    ? isDeadLetterQueue(item.declaration.name)
    : (item._tag === "Exchange" ? item.name : item.exchange) === deadLetterExchange

const topologyCheck = (finding: TopologyReport.Finding, losesDeadLetters: boolean): Check => {
  const { isOurs, item, state } = finding
  const check = item._tag.toLowerCase()
  const name = TopologyReport.nameOf(item)
  switch (state._tag) {
    case "There":
      return { check, status: "ok", detail: isOurs ? name : `${name}, declared by another application` }
    case "Missing":
      if (losesDeadLetters) {
        const detail = `${name} is missing, so dead letters or retries are lost`
        return { check, status: "fail", detail, advice: apply }
      }
      return isOurs
        ? { check, status: "warn", detail: `${name} is missing`, advice: apply }
        : { check, status: "fail", detail: `${name} is missing`, advice: "Its owner has to declare it." }
    case "Different":
      return {
        check,
        status: "fail",
        detail: `${name}: ${TopologyReport.differences(finding).join("; ")}`,
        advice:
          item._tag === "Queue"
            ? "Drain and delete it, then run `eventbus topology apply`; or subscribe with its arguments."
            : "Use another exchange (RABBITMQ_EXCHANGE), or delete it and run `eventbus topology apply`."
      }
    case "Unseen":
      return {
        check,
        status: "fail",
        detail: `${name}: ${state.why}`,
        advice: "Grant this user configure on it. If it is exclusive to another connection, close that."
      }
    case "Hidden":
      return {
        check,
        status: "skip",
        detail: `${name}: ${state.why}`,
        advice: "Another application declares it. To check it, grant this user read or write on it."
      }
    case "Unwanted":
      return {
        check,
        status: "warn",
        detail: `no subscription asks for ${name}`,
        advice: "Remove the binding unless it is intended: the queue receives events that its handler does not know."
      }
  }
}

/**
 * Checks a topology report.
 *
 * @category checks
 * @since 0.1.0
 */
export const topology = (
  { findings }: TopologyReport.TopologyReport,
  settings: AmqpOptions.Settings
): ReadonlyArray<Check> => {
  const isThere = ({ state }: TopologyReport.Finding) => state._tag !== "Missing"
  const there = findings.filter(isThere).map(({ item }) => item)
  const queues = new Set(there.flatMap((item) => (item._tag === "Queue" ? [item.declaration.name] : [])))
  const exchanges = new Set(there.flatMap((item) => (item._tag === "Exchange" ? [item.name] : [])))
  // A missing queue or exchange is reported itself, so its bindings need not be.
  const isReported = ({ item }: TopologyReport.Finding) =>
    item._tag !== "Binding" || (queues.has(item.queue) && exchanges.has(item.exchange))
  const isUsed = [...queues].some((queue) => !isDeadLetterQueue(queue))
  const checks = findings
    .filter((each) => isReported(each) && !TopologyReport.isUnseenBinding(each))
    .map((each) => topologyCheck(each, isUsed && !isThere(each) && isNeededByFailures(each, settings)))
  if (!findings.some(TopologyReport.isUnseenBinding)) return checks
  const advice = `${noManagement} Or run \`eventbus topology apply\`, which restores all bindings.`
  return [...checks, { check: "binding", status: "skip", detail: "not available over AMQP", advice }]
}

/**
 * Checks that the events of each queue have a consumer.
 *
 * @category checks
 * @since 0.1.0
 */
export const backlog = (queues: ReadonlyArray<QueueReport.QueueStatus>): ReadonlyArray<Check> => {
  const check = "backlog"
  const found = queues.filter(QueueReport.isBacklog)
  if (found.length === 0) return [{ check, status: "ok", detail: "every queue with events has a consumer" }]
  return found.map(({ messages, name }) => {
    const events = messages === 1 ? "1 event waits" : `${messages} events wait`
    return {
      check,
      status: "warn",
      detail: `${events} in "${name}", which has no consumer`,
      advice: `Start its application, or resume it with \`eventbus resume ${name}\`. If no application uses it, run \`eventbus queue delete ${name} --force\`.`
    }
  })
}

const replyQueue = /^reply\.[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/** Looks at the queues of the subscriptions and, with the management API, at all others. */
const backlogs = Effect.fnUntraced(function* (
  { management, queues }: Target,
  live: AmqpConnection.Live
): Effect.fn.Return<ReadonlyArray<Check>, BrokerError> {
  const names = queues.filter(({ temporary }) => !temporary).map(({ name }) => name)
  // Since RabbitMQ 4.3, a user without a right on a queue may not look at it.
  const info = (name: string) =>
    Effect.catchTag(AmqpQueue.info(live, name), "PermissionDenied", () => Effect.succeedNone).pipe(
      BrokerConnection.asBrokerError
    )
  const own = yield* QueueReport.fromNames(names, info)
  const listed = Option.isNone(management) ? [] : yield* Effect.orElseSucceed(management.value.queues, () => [])
  // A queue for replies has a check of its own.
  const others = QueueReport.fromAll(listed.filter(({ name }) => !replyQueue.test(name))).filter(
    ({ name }) => !names.includes(name)
  )
  const all = [...own, ...others]
  if (all.length > 0) return backlog(all)
  const advice = "Use --module, or set RABBITMQ_MANAGEMENT_URL to check all queues."
  return [{ check: "backlog", status: "skip", detail: "no queue is known", advice }]
})

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/**
 * Checks the queues in which delayed events wait, out of the names of queues and what they
 * hold. A level that is missing below another holds up the events above it.
 *
 * @category checks
 * @since 0.1.0
 */
export const delays = (found: ReadonlyArray<QueueInfo>, settings: AmqpOptions.Settings): ReadonlyArray<Check> => {
  const check = "delays"
  const byName = new Map(found.map((queue) => [queue.name, queue]))
  const names = AmqpLadder.levels.map((level) => AmqpLadder.nameOf(level, settings))
  const top = names.findLastIndex((name) => byName.has(name))
  if (top < 0) return [{ check, status: "ok", detail: "no event has been delayed, so no queue is declared for it" }]
  const ladder = names.slice(0, top + 1)
  const missing = ladder.filter((name) => !byName.has(name))
  if (missing.length > 0) {
    return missing.map((name) => ({
      check,
      status: "fail",
      detail: `${name} is missing, so delayed events do not get any further than the queue above it`,
      advice: "Restart an application that delays events: it declares the queues with its next delayed event."
    }))
  }
  const waiting = ladder.reduce((sum, name) => sum + (byName.get(name)?.messages ?? 0), 0)
  return [
    { check, status: "ok", detail: `${counted(waiting, "event")} in ${counted(ladder.length, "queue")} for delays` }
  ]
}

/**
 * Checks the queues for replies. One without a consumer belongs to a requester that has
 * lost its connection.
 *
 * @category checks
 * @since 0.1.0
 */
export const replies = (found: ReadonlyArray<QueueInfo>): ReadonlyArray<Check> => {
  const check = "replies"
  const queues = found.filter(({ name }) => replyQueue.test(name))
  const left = queues.filter(({ consumers }) => consumers === 0)
  if (left.length === 0)
    return [{ check, status: "ok", detail: `${counted(queues.length, "queue")} for replies, each in use` }]
  return left.map(({ messages, name }) => ({
    check,
    status: "warn",
    detail: `${name} has no consumer, and ${messages === 1 ? "1 reply" : `${messages} replies`}`,
    advice:
      "Its requester has lost its connection. If it does not come back, RabbitMQ deletes the queue within a minute."
  }))
}

/** Looks at the queues for delays. Each question takes a channel of its own. */
const delaysOf = (
  { settings }: Target,
  live: AmqpConnection.Live
): Effect.Effect<ReadonlyArray<Check>, BrokerError> => {
  // Since RabbitMQ 4.3, a user without a right on a queue may not look at it.
  const info = (level: number) =>
    Effect.catchTag(
      AmqpQueue.info(live, AmqpLadder.nameOf(level, settings)),
      "PermissionDenied",
      () => Effect.succeedNone
    ).pipe(BrokerConnection.asBrokerError)
  return Effect.map(Effect.forEach(AmqpLadder.levels, info, { concurrency: 8 }), (found) =>
    delays(found.flatMap(Option.toArray), settings)
  )
}

/**
 * Runs all checks, one after the other. Where the connection fails, the last check says
 * so and the stream ends.
 *
 * @category checks
 * @since 0.1.0
 */
export const run = (target: Target): Stream.Stream<Check, ContractError | ManagementError> => {
  const { management, queues, settings } = target
  const [{ username, vhost }] = settings.endpoints
  const connected = (live: AmqpConnection.Live): ReadonlyArray<Check> => [
    { check: "connection", status: "ok", detail: `${live.address}, virtual host "${vhost}", as "${username}"` },
    version(live.version),
    ...expiry(live.version, queues, settings)
  ]
  const checks = Effect.map(BrokerConnection.open(settings, "consume"), (live) =>
    Stream.fromIterable([
      Effect.succeed(connected(live)),
      managed(target, "feature flags", ({ featureFlags }) => featureFlags, featureFlags),
      Effect.scoped(publishing(target)),
      subscribing(target, live),
      Effect.map(TopologyReport.make(live, queues, management), (report) => topology(report, settings)),
      backlogs(target, live),
      delaysOf(target, live),
      managed(target, "replies", ({ queues }) => queues, replies),
      managed(target, "limits", ({ limits }) => limits, limits),
      ...(target.blobs === undefined ? [] : [blobsOf(target.blobs)])
    ])
  )
  return Stream.unwrap(checks).pipe(
    Stream.mapEffect((group) => group),
    Stream.flattenIterable,
    Stream.catchTag("BrokerError", (error) => Stream.succeed(noConnection(error)))
  )
}
