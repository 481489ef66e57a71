/**
 * How an application seals its bodies, as a value that its module exports for tools.
 *
 * The layer of the bus and the tools share it: `eventbus explain`, `eventbus asyncapi`
 * and `eventbus doctor` tell of the bodies, and `eventbus blobs sweep` finds the store.
 *
 * @since 0.1.0
 */

import type { Broker } from "effect-eventbus/Broker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { BlobStore, BlobStoreError } from "./BlobStore.ts"
import * as Bodies from "./Bodies.ts"
import type { BodyTransform } from "./BodyTransform.ts"

/**
 * Marks a plan.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-eventbus/BodyPlan" as const

/**
 * The transforms of bodies, and the store of their claim checks.
 *
 * @category models
 * @since 0.1.0
 */
export interface BodyPlan<out E = unknown> {
  readonly [TypeId]: typeof TypeId
  readonly transforms: ReadonlyArray<Effect.Effect<BodyTransform, E, BlobStore>>
  /** The store of claim checks. `undefined`: there are none. */
  readonly store: Layer.Layer<BlobStore, E> | undefined
  /** Wraps the broker below it, as `Bodies.layer` does. */
  readonly layer: Layer.Layer<Broker, E, Broker>
}

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** As of `Bodies.layer`. */
  readonly maxBodyBytes?: number | undefined
}

/**
 * Returns whether a value is a plan.
 *
 * @category guards
 * @since 0.1.0
 */
export const isBodyPlan = (u: unknown): u is BodyPlan => Predicate.hasProperty(u, TypeId)

const refused = new BlobStoreError({ reason: "Denied", detail: "the plan has no store" })

/** A store for those who only ask what the transforms are. */
const noStore = BlobStore.of({
  put: () => Effect.fail(refused),
  get: () => Effect.fail(refused),
  remove: () => Effect.fail(refused),
  list: Stream.fail(refused)
})

/**
 * Creates a plan. Claim checks need the `store`.
 *
 * **Example** (A plan for the bus and for tools)
 *
 * ```ts
 * import { BlobStore, BodyPlan, ClaimCheck, Compression } from "@effect-eventbus/bodies"
 * import { EventBus, MemoryBroker } from "effect-eventbus"
 * import { Layer } from "effect"
 *
 * export const bodies = BodyPlan.make([Compression.gzip(), ClaimCheck.make()], { store: BlobStore.layerMemory })
 *
 * const Bus = EventBus.layer.pipe(
 *   Layer.provide(bodies.layer),
 *   Layer.provide(MemoryBroker.layer()) // or AmqpBroker.layerConfig
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  /** Creates a plan with a store for claim checks. */
  <E = never, E2 = never>(
    transforms: ReadonlyArray<Effect.Effect<BodyTransform, E, BlobStore>>,
    options: Options & { readonly store: Layer.Layer<BlobStore, E2> }
  ): BodyPlan<E | E2>
  /** Creates a plan without claim checks. */
  <E = never>(
    transforms: ReadonlyArray<Effect.Effect<BodyTransform, E>>,
    options?: Options & { readonly store?: undefined }
  ): BodyPlan<E>
} = <E, E2 = never>(
  transforms: ReadonlyArray<Effect.Effect<BodyTransform, E, BlobStore>>,
  { store, ...options }: Options & { readonly store?: Layer.Layer<BlobStore, E2> | undefined } = {}
): BodyPlan<E | E2> => ({
  [TypeId]: TypeId,
  transforms,
  store,
  layer: Layer.provide(Bodies.layer(transforms, options), store ?? Layer.succeed(BlobStore, noStore))
})

/**
 * A transform of a plan.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  readonly name: string
  /** Payloads of at most this many bytes stay as they are. */
  readonly over: number
}

/**
 * Returns the steps of a plan in their order. It asks no store.
 *
 * **Example** (The steps of a plan)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { BodyPlan, Compression } from "@effect-eventbus/bodies"
 * import { Effect } from "effect"
 *
 * const steps = await Effect.runPromise(BodyPlan.steps(BodyPlan.make([Compression.gzip()])))
 *
 * assert.deepStrictEqual(steps, [{ name: "gzip", over: 16_384 }])
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const steps = <E>({ transforms }: BodyPlan<E>): Effect.Effect<ReadonlyArray<Step>, E> =>
  Effect.map(Effect.provideService(Effect.all(transforms), BlobStore, noStore), (all) =>
    all.map(({ name, over }) => ({ name, over }))
  )
