/**
 * The queues that a command about several queues looks at: those of a module, or all that
 * the management API lists.
 *
 * @since 0.1.0
 */

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

/** RabbitMQ counts consumers and messages exactly over AMQP; the management API is a few seconds late. */
const ofModule = Effect.fnUntraced(function* (file: string) {
  const { Contract, QueueReport } = yield* lazyImports.inspect
  const { EventBus } = yield* lazyImports.eventbus
  const { subscriptions } = yield* Contract.load(file)
  const names = subscriptions.filter(({ temporary }) => !temporary).map(({ name }) => name)
  const report = EventBus.EventBus.use((bus) => QueueReport.fromNames(names, bus.queueInfo))
  return yield* Effect.provide(report, Connection.layerAmqp)
})

const ofManagement = Effect.gen(function* () {
  const { Management, QueueReport } = yield* lazyImports.inspect
  const management = yield* Management.fromConfig(yield* Connection.settings())
  if (Option.isNone(management)) {
    return yield* new UsageError({
      message: "Use --module, or set RABBITMQ_MANAGEMENT_URL: RabbitMQ does not list its queues over AMQP"
    })
  }
  return QueueReport.fromAll(yield* management.value.queues)
})

/**
 * Reports on the queues of a module, or on all queues.
 *
 * @category running
 * @since 0.1.0
 */
export const report = Effect.fnUntraced(function* (module: Option.Option<string>) {
  return Option.isSome(module) ? yield* ofModule(module.value) : yield* ofManagement
})

/**
 * Returns the names of the known queues that have dead letters of their own, empty or not.
 *
 * @category running
 * @since 0.1.0
 */
export const withDeadLetters = (module: Option.Option<string>) =>
  Effect.map(report(module), (queues) =>
    queues.flatMap(({ deadLetters, name }) => {
      if (QueueSpec.isDeadLetterQueue(name)) return [QueueSpec.originOf(name)]
      return deadLetters === undefined ? [] : [name]
    })
  )
