/**
 * The queues that a command about several queues looks at: those of a module, or all that
 * the management API lists.
 *
 * @since 0.1.0
 */

import type { ManagementError } from "@effect-eventbus/inspect/ManagementError"
import type { QueueStatus } from "@effect-eventbus/inspect/QueueReport"
import type { BrokerError } from "effect-eventbus/BrokerError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "./Connection.ts"
import * as lazyImports from "./lazyImports.ts"
import * as Parameters from "./Parameters.ts"
import { UsageError } from "./Problem.ts"

/**
 * The flag for the module that names the queues.
 *
 * @category flags
 * @since 0.1.0
 */
export const module: Flag.Flag<Option.Option<string>> = Parameters.module.pipe(
  Flag.withDescription("Only its queues [all, by management]"),
  Flag.optional
)

/** RabbitMQ 4.3 says whether a queue exists only to users with a right on it. */
const isDenied = ({ reason }: BrokerError) => reason._tag === "PermissionDenied"

/** RabbitMQ counts consumers and messages exactly over AMQP; the management API is a few seconds late. */
const ofModule = Effect.fnUntraced(function* (file: string) {
  const { BrokerConnection, Contract, QueueReport, Retries } = yield* lazyImports.inspect
  const { AmqpQueue } = yield* lazyImports.amqp
  const { options, subscriptions } = yield* Contract.load(file)
  const names = subscriptions.filter(({ temporary }) => !temporary).map(({ name }) => name)
  const settings = yield* Connection.settings(options)
  const connection = yield* BrokerConnection.make(settings, "consume")
  return Effect.flatMap(connection, (live) =>
    QueueReport.fromNames(
      [...new Set(names)],
      (name) => BrokerConnection.asBrokerError(AmqpQueue.info(live, name)),
      (name) => Effect.catchIf(Retries.count(live, name), isDenied, () => Effect.undefined)
    )
  )
})

/**
 * Returns the management API, which lists all queues. Where there is none, the error
 * names another way, if there is one.
 *
 * @category running
 * @since 0.1.0
 */
export const management = Effect.fnUntraced(function* (instead?: string) {
  const { Management } = yield* lazyImports.inspect
  const management = yield* Management.fromConfig(yield* Connection.settings())
  if (Option.isSome(management)) return management.value
  return yield* new UsageError({
    message: `${instead === undefined ? "S" : `${instead}, or s`}et RABBITMQ_MANAGEMENT_URL: RabbitMQ does not list its queues over AMQP`
  })
})

const ofManagement = Effect.gen(function* () {
  const { QueueReport } = yield* lazyImports.inspect
  const { queues } = yield* management("Use --module")
  return Effect.map(queues, QueueReport.fromAll)
})

/**
 * A report on queues, which can be repeated.
 *
 * @category models
 * @since 0.1.0
 */
export type Report = Effect.Effect<ReadonlyArray<QueueStatus>, BrokerError | ManagementError>

/**
 * Makes a report on the queues of a module, or on all queues.
 *
 * @category running
 * @since 0.1.0
 */
export const report = Effect.fnUntraced(function* (module: Option.Option<string>) {
  const report: Report = Option.isSome(module) ? yield* ofModule(module.value) : yield* ofManagement
  return report
})

/**
 * Returns the names of the queues that have dead letters of their own, empty or not.
 *
 * @category getters
 * @since 0.1.0
 */
export const withDeadLetters = (queues: ReadonlyArray<QueueStatus>): ReadonlyArray<string> =>
  queues.flatMap(({ deadLetters, name }) => {
    if (QueueSpec.isDeadLetterQueue(name)) return [QueueSpec.originOf(name)]
    return deadLetters === undefined ? [] : [name]
  })
