/**
 * Looks for what is wrong with a broker, before it is found out the hard way.
 *
 * Every check that is not well says what to do.
 *
 * @since 0.1.0
 */

import { AmqpProbe } from "@effect-eventbus/amqp"
import type { AmqpConnection, AmqpOptions } from "@effect-eventbus/amqp"
import type { BrokerError, Reason } from "effect-eventbus/BrokerError"
import { isDeadLetterQueue, type QueueSpec } from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Connection from "./Connection.ts"
import type { Contract } from "./Contract.ts"
import type { Management } from "./Management.ts"
import type { CommandFailed } from "./Problem.ts"
import * as Survey from "./Survey.ts"

/**
 * What one look has found. What is skipped could not be looked at.
 *
 * @category models
 * @since 0.1.0
 */
export type Check = { readonly check: string; readonly detail: string } & (
  | { readonly status: "ok" }
  | { readonly status: "warn" | "fail" | "skip"; readonly advice: string }
)

/** What is looked at, and with what. */
interface Patient {
  readonly settings: AmqpOptions.Settings
  readonly contract: Option.Option<Contract>
  readonly management: Option.Option<Management>
}

const apply = "Run eventbus topology apply, or start its service."

const upgrade = "Upgrade RabbitMQ to 4.2, or to 4.3.5 or later."

/**
 * What there is to say of a version of RabbitMQ.
 *
 * **Details**
 *
 * 3.10 is the first whose quorum queues know a time to live. 4.3.3 mended that a
 * leader took for committed what was not yet (https://github.com/rabbitmq/ra/pull/637),
 * 4.3.5 that a queue was used before it had recovered.
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
  if (major === 0) return but("warn", "what that can do is not known", "Look whether it is RabbitMQ, 3.10 or later.")
  if (major < 3 || (major === 3 && minor < 10)) {
    return but("fail", "its quorum queues know no time to live, so that retries would wait for ever", upgrade)
  }
  if (major === 3) return but("warn", "it gets no more fixes from the community", upgrade)
  if (major === 4 && minor === 3 && patch < 3) {
    return but("fail", "it may confirm events before they are safe, and lose them", upgrade)
  }
  if (major === 4 && minor === 3 && patch < 5) {
    return but("warn", "a queue may be used before it has recovered", upgrade)
  }
  return { ...found, status: "ok" }
}

/** What to do about a connection that there is not. */
const remedies: Partial<Record<Reason["_tag"], string>> = {
  ConnectionFailed: "Look at RABBITMQ_HOST and RABBITMQ_PORT. `docker compose up -d --wait` starts a broker here.",
  AuthenticationFailed:
    "Look at RABBITMQ_USER and RABBITMQ_PASSWORD; guest may log in from the broker's own host only.",
  VhostNotFound: "Look at RABBITMQ_VHOST: `rabbitmqctl add_vhost`, and `rabbitmqctl set_permissions`.",
  CertificateRejected: "Trust its authority (NODE_EXTRA_CA_CERTS), or call the broker by the name in its certificate."
}

/**
 * What there is to say of a connection that could not be made.
 *
 * @category checks
 * @since 0.1.0
 */
export const noConnection = ({ message, reason }: BrokerError): Check => ({
  check: "connection",
  status: "fail",
  detail: message,
  advice: remedies[reason._tag] ?? "Look at what RabbitMQ says in its log."
})

const noManagement = "Set RABBITMQ_MANAGEMENT_URL to have it looked at."

const featureFlags = ({ management }: Patient): Effect.Effect<Check> => {
  const check = "feature flags"
  return Option.match(management, {
    onNone: () => Effect.succeed<Check>({ check, status: "skip", detail: "not told over AMQP", advice: noManagement }),
    onSome: ({ featureFlags }) =>
      Effect.match(featureFlags, {
        onFailure: ({ message }): Check => ({
          check,
          status: "skip",
          detail: message,
          advice: "Look at RABBITMQ_MANAGEMENT_URL, and whether the user has the tag monitoring."
        }),
        onSuccess: (flags): Check => {
          const off = flags.filter(({ stability, state }) => state === "disabled" && stability !== "experimental")
          const names = off.map(({ name }) => name).join(", ")
          return off.length === 0
            ? { check, status: "ok", detail: `all ${flags.length} that are stable are enabled` }
            : {
                check,
                status: "warn",
                detail: `disabled: ${names}`,
                advice: "Once all nodes are of one version: `rabbitmqctl enable_feature_flag all`."
              }
        }
      })
  })
}

const permissions = ({ settings }: Patient, permissions: ReadonlyArray<AmqpProbe.Permission>): ReadonlyArray<Check> => {
  const check = "permission"
  const [{ username, vhost }] = settings.endpoints
  const untold = permissions.filter(({ outcome }) => outcome === "untold").map(({ operation }) => operation)
  const told = permissions.flatMap(({ needs, operation, outcome }): ReadonlyArray<Check> => {
    if (outcome === "granted") return [{ check, status: "ok", detail: operation }]
    if (outcome === "untold") return []
    const detail = `${operation}: denied to "${username}"`
    const grant = `rabbitmqctl set_permissions -p "${vhost}" "${username}" <configure> <write> <read>`
    return [{ check, status: "fail", detail, advice: `Grant ${needs}: ${grant}.` }]
  })
  if (untold.length === 0) return told
  const detail = `not told of what is not there: ${untold.join(", ")}`
  return [...told, { check, status: "skip", detail, advice: apply }]
}

/** More than what the clocks of two machines that are looked after differ by. */
const tolerance = 5000

const seconds = (millis: number): string => `${(Math.abs(millis) / 1000).toFixed(1)} s`

/**
 * What there is to say of a clock.
 *
 * @category checks
 * @since 0.1.0
 */
export const clock = ({ least, most }: AmqpProbe.ClockDifference): Check => {
  const check = "clock"
  const isAhead = least > 0
  if (least <= tolerance && most >= -tolerance) {
    const off = `the broker's is ${seconds(isAhead ? least : most)} ${isAhead ? "ahead" : "behind"}, or a bit more`
    return { check, status: "ok", detail: least <= 0 && most >= 0 ? "the same there and here, within a second" : off }
  }
  return {
    check,
    status: "warn",
    detail: `the broker's is at least ${seconds(isAhead ? least : most)} ${isAhead ? "ahead of" : "behind"} this one`,
    advice: "Let NTP set both: an event's age, and when it expires between retries, are told by both."
  }
}

/** What can be found out only by publishing, on a connection for that. */
const publishing = Effect.fnUntraced(function* (
  patient: Patient
): Effect.fn.Return<ReadonlyArray<Check>, BrokerError, Scope.Scope> {
  const { settings } = patient
  const live = yield* Connection.live(settings, "publish")
  return yield* Effect.gen(function* () {
    const publishes = yield* AmqpProbe.publishing(live, settings)
    const told = Effect.map(AmqpProbe.clock(live, settings), clock)
    const untold = (detail: string) =>
      Effect.succeed<Check>({ check: "clock", status: "skip", detail: `not told: ${detail}`, advice: apply })
    const time = yield* Effect.catchTags(told, {
      NotFound: ({ name }) => untold(`"${name}" is not there`),
      PermissionDenied: ({ operation }) => untold(`may not ${operation}`),
      Refused: ({ detail }) => untold(detail)
    })
    return [{ check: "alarms", status: "ok", detail: "none" } as const, time, ...permissions(patient, publishes)]
  }).pipe(
    Effect.catchTag("TimedOut", (reason) =>
      live.blocked === undefined
        ? Effect.fail(reason)
        : Effect.succeed<ReadonlyArray<Check>>([
            {
              check: "alarms",
              status: "fail",
              detail: `RabbitMQ takes no publishes: ${live.blocked}`,
              advice: "Free memory or disk on its nodes (`rabbitmq-diagnostics alarms`), or let consumers catch up."
            }
          ])
    ),
    Connection.asked
  )
})

const subscribing = (patient: Patient, live: AmqpConnection.Live, queues: ReadonlyArray<QueueSpec>) =>
  Effect.map(Connection.asked(AmqpProbe.subscribing(live, patient.settings, queues)), (told) =>
    permissions(patient, told)
  )

/** Whether dead letters or retries would go nowhere without it. */
const isWayOut = ({ item }: Survey.Finding, { deadLetterExchange }: AmqpOptions.Settings): boolean =>
  item._tag === "Queue"
    ? isDeadLetterQueue(item.declaration.name)
    : (item._tag === "Exchange" ? item.name : item.exchange) === deadLetterExchange

const finding = (finding: Survey.Finding, isGrave: boolean): Check => {
  const { isOurs, item, state } = finding
  const check = item._tag.toLowerCase()
  const name = Survey.nameOf(item)
  switch (state._tag) {
    case "There":
      return { check, status: "ok", detail: isOurs ? name : `${name}, which others declare` }
    case "Missing":
      if (isGrave) {
        const detail = `${name} is not there, so that dead letters or retries go nowhere`
        return { check, status: "fail", detail, advice: apply }
      }
      return isOurs
        ? { check, status: "warn", detail: `${name} is not there`, advice: apply }
        : { check, status: "fail", detail: `${name} is not there`, advice: "Let whoever owns it declare it." }
    case "Different":
      return {
        check,
        status: "fail",
        detail: `${name}: ${Survey.differences(finding).join("; ")}`,
        advice:
          item._tag === "Queue"
            ? "Let it run empty, delete it, and run eventbus topology apply; or subscribe as it was declared."
            : "Take another exchange (RABBITMQ_EXCHANGE), or delete it and run eventbus topology apply."
      }
    case "Unseen":
      return {
        check,
        status: "fail",
        detail: `${name}: ${state.why}`,
        advice: "Grant this user configure on it; it must be no other connection's own."
      }
    case "Unwanted":
      return {
        check,
        status: "warn",
        detail: `${name} is not asked for`,
        advice: "Unbind it, if no one else has bound it on purpose: its queue gets more than its handler knows."
      }
  }
}

const findings = (found: ReadonlyArray<Survey.Finding>, settings: AmqpOptions.Settings): ReadonlyArray<Check> => {
  const isThere = ({ state }: Survey.Finding) => state._tag !== "Missing"
  const queues = new Set(
    found.filter(isThere).flatMap(({ item }) => (item._tag === "Queue" ? [item.declaration.name] : []))
  )
  const exchanges = new Set(found.filter(isThere).flatMap(({ item }) => (item._tag === "Exchange" ? [item.name] : [])))
  // Where a queue or an exchange is missing, that it is not bound is no news.
  const isNews = ({ item }: Survey.Finding) =>
    item._tag !== "Binding" || (queues.has(item.queue) && exchanges.has(item.exchange))
  const isUsed = [...queues].some((queue) => !isDeadLetterQueue(queue))
  const checks = found
    .filter((each) => isNews(each) && !Survey.isUnseenBinding(each))
    .map((each) => finding(each, isUsed && !isThere(each) && isWayOut(each, settings)))
  if (!found.some(Survey.isUnseenBinding)) return checks
  const advice = `${noManagement} To be sure, eventbus topology apply binds all again.`
  return [...checks, { check: "binding", status: "skip", detail: "not told over AMQP", advice }]
}

/**
 * All checks, in groups, each to be run after the one before it. The first one
 * fails where there is no connection, and there is nothing more to look at then.
 *
 * @category checks
 * @since 0.1.0
 */
export const run = <E, R>(
  patient: Patient,
  report: (checks: ReadonlyArray<Check>) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | BrokerError | CommandFailed, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { contract, management, settings } = patient
    const live = yield* Connection.live(settings, "consume")
    const [{ username, vhost }] = settings.endpoints
    yield* report([
      { check: "connection", status: "ok", detail: `${live.address}, virtual host "${vhost}", as "${username}"` },
      version(live.version)
    ])
    yield* report([yield* featureFlags(patient)])
    yield* report(yield* publishing(patient))
    const subscriptions = Option.match(contract, { onNone: () => [], onSome: ({ subscriptions }) => subscriptions })
    yield* report(yield* subscribing(patient, live, subscriptions))
    yield* report(findings(yield* Survey.make(live, settings, subscriptions, management), settings))
  })
