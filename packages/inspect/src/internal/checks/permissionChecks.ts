/**
 * The checks of the rights of the user, and of whether the broker takes publishes.
 *
 * @internal
 */

import { AmqpProbe } from "@effect-eventbus/amqp"
import type { AmqpConnection, AmqpOptions } from "@effect-eventbus/amqp"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type { QueueSpec } from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as BrokerConnection from "../../BrokerConnection.ts"
import type { Check } from "../check.ts"
import { apply } from "./advice.ts"
import { clock } from "./brokerChecks.ts"

const permissions = (
  settings: AmqpOptions.Settings,
  permissions: ReadonlyArray<AmqpProbe.Permission>
): ReadonlyArray<Check> => {
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

/** Checks what can be checked only on a connection for publishing. */
export const publishing = Effect.fnUntraced(function* (
  settings: AmqpOptions.Settings
): Effect.fn.Return<ReadonlyArray<Check>, BrokerError, Scope.Scope> {
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
    return [{ check: "alarms", status: "ok", detail: "none" } as const, time, ...permissions(settings, publishes)]
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

/** Checks the rights that the subscriptions need. */
export const subscribing = (
  live: AmqpConnection.Live,
  queues: ReadonlyArray<QueueSpec>,
  settings: AmqpOptions.Settings
): Effect.Effect<ReadonlyArray<Check>, BrokerError> =>
  Effect.map(BrokerConnection.asBrokerError(AmqpProbe.subscribing(live, queues)), (outcomes) =>
    permissions(settings, outcomes)
  )
