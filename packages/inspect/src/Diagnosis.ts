/**
 * A diagnosis of a broker: checks of the connection, the version, permissions, clocks,
 * topology, backlogs, dead letters and full queues. Each check that is not `ok` says what to do.
 *
 * @since 0.1.0
 */

import type { AmqpConnection, AmqpOptions } from "@effect-eventbus/amqp"
import type * as ClaimCheck from "@effect-eventbus/bodies/ClaimCheck"
import type { QueueSpec } from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as BrokerConnection from "./BrokerConnection.ts"
import type { ContractError } from "./ContractError.ts"
import type { Check } from "./internal/check.ts"
import { noManagement } from "./internal/checks/advice.ts"
import { blobsOf } from "./internal/checks/blobChecks.ts"
import { expiry, featureFlags, memory, noConnection, version } from "./internal/checks/brokerChecks.ts"
import { publishing, subscribing } from "./internal/checks/permissionChecks.ts"
import { delaysOf, limits, order, replies, waiting } from "./internal/checks/queueChecks.ts"
import { topology } from "./internal/checks/topologyChecks.ts"
import type { Management } from "./Management.ts"
import type { ManagementError } from "./ManagementError.ts"
import * as TopologyReport from "./TopologyReport.ts"

export type { Check } from "./internal/check.ts"
export { blobs } from "./internal/checks/blobChecks.ts"
export { clock, expiry, memory, noConnection, version } from "./internal/checks/brokerChecks.ts"
export { backlog, deadLetters, delays, limits, order, replies } from "./internal/checks/queueChecks.ts"
export { topology } from "./internal/checks/topologyChecks.ts"

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

/** Makes checks of what only the management API tells. */
const managed = <A>(
  management: Option.Option<Management>,
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
  // The arguments of the others are compared with the topology.
  const orderedElsewhere = queues.flatMap(({ name, singleActive }) =>
    singleActive === true && settings.forQueue(name).topology !== "assert" ? [name] : []
  )
  const connected = (live: AmqpConnection.Live): ReadonlyArray<Check> => [
    { check: "connection", status: "ok", detail: `${live.address}, virtual host "${vhost}", as "${username}"` },
    version(live.version),
    ...expiry(live.version, queues, settings)
  ]
  const checks = Effect.map(BrokerConnection.open(settings, "consume"), (live) =>
    Stream.fromIterable([
      Effect.succeed(connected(live)),
      managed(management, "feature flags", ({ featureFlags }) => featureFlags, featureFlags),
      managed(management, "memory", ({ memory }) => memory, memory),
      Effect.scoped(publishing(settings)),
      subscribing(live, queues, settings),
      Effect.map(TopologyReport.make(live, queues, management), (report) => topology(report, settings)),
      waiting(live, queues, management),
      ...(orderedElsewhere.length === 0
        ? []
        : [
            managed(
              management,
              "order",
              ({ queues }) => queues,
              (found) => order(orderedElsewhere, found)
            )
          ]),
      delaysOf(live, settings),
      managed(management, "replies", ({ queues }) => queues, replies),
      managed(management, "limits", ({ limits }) => limits, limits),
      ...(target.blobs === undefined ? [] : [blobsOf(target.blobs)])
    ])
  )
  return Stream.unwrap(checks).pipe(
    Stream.mapEffect((group) => group),
    Stream.flattenIterable,
    Stream.catchTag("BrokerError", (error) => Stream.succeed(noConnection(error)))
  )
}
