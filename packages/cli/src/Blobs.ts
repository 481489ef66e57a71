/**
 * The store of an application's payloads, and the queues whose messages may refer to it.
 *
 * @since 0.1.0
 */

import type { BlobStore } from "@effect-eventbus/bodies/BlobStore"
import type { Contract } from "@effect-eventbus/inspect/Contract"
import type { Management } from "@effect-eventbus/inspect/Management"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Connection from "./Connection.ts"
import * as KnownQueues from "./KnownQueues.ts"
import * as lazyImports from "./lazyImports.ts"
import { CommandFailed, messageOf } from "./Problem.ts"

/**
 * Returns the queues of a module and, where the management API lists them, all others
 * that have dead letters.
 *
 * @category getters
 * @since 0.1.0
 */
export const queues = Effect.fnUntraced(function* ({ subscriptions }: Contract, management: Option.Option<Management>) {
  const { QueueReport } = yield* lazyImports.inspect
  const own = subscriptions.filter(({ temporary }) => !temporary).map(({ name }) => name)
  const listed = Option.isNone(management) ? [] : QueueReport.fromAll(yield* management.value.queues)
  return [...new Set([...own, ...KnownQueues.withDeadLetters(listed)])]
})

/**
 * Provides the store of a module, and the broker that its messages wait in. Nothing is
 * declared there.
 *
 * @category running
 * @since 0.1.0
 */
export const provide = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  store: Layer.Layer<BlobStore, unknown>,
  { options }: Contract
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const opened = yield* Effect.mapError(
        Layer.build(store),
        (error) => new CommandFailed({ message: `The blob store cannot be opened: ${messageOf(error)}` })
      )
      return yield* Effect.provide(effect, Layer.merge(Layer.succeedContext(opened), Connection.layerLooking(options)))
    })
  )

/**
 * Looks for the blobs that no message refers to. `undefined`: the module has no store.
 *
 * @category running
 * @since 0.1.0
 */
export const survey = Effect.fnUntraced(function* (contract: Contract, management: Option.Option<Management>) {
  const store = contract.bodies?.store
  if (store === undefined) return undefined
  const { ClaimCheck } = yield* lazyImports.bodies
  const found = Effect.flatMap(queues(contract, management), (queues) =>
    ClaimCheck.survey({ queues, olderThan: "7 days" })
  )
  return provide(found, store, contract)
})
