/**
 * Layers around a broker that change the bodies of messages: smaller, secret, or kept
 * elsewhere. Applications notice nothing of it.
 *
 * The payload is sealed when an event is published, retried or dead-lettered, and opened
 * when it is consumed or browsed. The other fields of the event stay readable, for other
 * tools and for services in other languages. A message that is not sealed is read as it
 * is, so you can turn this on while others still publish plain payloads: turn it on in
 * all consumers first.
 *
 * @since 0.1.0
 */

import * as Broker from "effect-eventbus/Broker"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type { BodyTransform } from "./BodyTransform.ts"
import * as OpenedDeliveries from "./internal/OpenedDeliveries.ts"
import * as Seal from "./internal/Seal.ts"
import * as WrappedBrokers from "./internal/wrappedBrokers.ts"

const defaultMaxBodyBytes = 64 * 1024 * 1024

/**
 * Wraps a broker so that it seals and opens bodies.
 *
 * @category constructors
 * @since 0.1.0
 */
export const wrap = (
  broker: Broker.Broker["Service"],
  transforms: ReadonlyArray<BodyTransform>,
  options?: { readonly maxBodyBytes?: number | undefined }
): Broker.Broker["Service"] => {
  const { maxBodyBytes = defaultMaxBodyBytes } = options ?? {}
  if (!(Number.isSafeInteger(maxBodyBytes) && maxBodyBytes > 0)) {
    throw new RangeError(`maxBodyBytes must be a whole number of bytes from 1 up, not ${maxBodyBytes}`)
  }
  const names = transforms.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new RangeError(`There are two transforms named "${twice}"`)
  const seal = Seal.make(transforms, maxBodyBytes)
  return WrappedBrokers.add({
    ...broker,
    maxBodyBytes,
    publish: (envelope, delay) =>
      Effect.flatMap(seal.seal(envelope, broker.maxBodyBytes), (sealed) => broker.publish(sealed, delay)),
    put: (queue, envelope, delay) =>
      Effect.flatMap(seal.seal(envelope, broker.maxBodyBytes), (sealed) => broker.put(queue, sealed, delay)),
    reply: (queue, envelope) =>
      Effect.flatMap(seal.seal(envelope, broker.maxBodyBytes), (sealed) => broker.reply(queue, sealed)),
    consume: Effect.fnUntraced(function* (queue, deliver) {
      const fork = yield* FiberSet.makeRuntime<never, void>()
      return yield* broker.consume(queue, OpenedDeliveries.make(seal, fork, deliver))
    }),
    browse: (queue) =>
      Effect.map(broker.browse(queue), (browser) => ({
        ...browser,
        take: (atMost) =>
          Effect.flatMap(
            browser.take(atMost),
            Effect.forEach((browsed) =>
              Effect.map(
                Effect.catch(seal.open(browsed.envelope), () => {
                  seal.leave(browsed.envelope)
                  return Effect.succeed(browsed.envelope)
                }),
                (envelope) => ({ ...browsed, envelope })
              )
            )
          )
      }))
  })
}

/**
 * Creates a layer that wraps the broker below it. The transforms are applied in their
 * order: compress, then encrypt, then store.
 *
 * **Details**
 *
 * `maxBodyBytes` is the largest body before it is sealed and after it is opened: 64 MiB
 * by default. What goes to the broker must still fit its own limit.
 *
 * A delivery that cannot be opened becomes a dead letter, sealed as it came, with one of
 * the codes of `TransformError` as its reason. A store that does not answer is asked
 * again: a publish fails meanwhile with a retryable `Disconnected`, and a consumer waits.
 *
 * Throws a `RangeError` if two transforms have the same name.
 *
 * **Example** (Compressing payloads over 16 KiB)
 *
 * ```ts
 * import { Bodies, Compression } from "@effect-eventbus/bodies"
 * import { EventBus, MemoryBroker } from "effect-eventbus"
 * import { Layer } from "effect"
 *
 * const CompressedBus = EventBus.layer.pipe(
 *   Layer.provide(Bodies.layer([Compression.gzip({ over: 16_384 })])),
 *   Layer.provide(MemoryBroker.layer())
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  transforms: ReadonlyArray<Effect.Effect<BodyTransform, E, R>>,
  options?: { readonly maxBodyBytes?: number | undefined }
): Layer.Layer<Broker.Broker, E, Broker.Broker | R> =>
  Layer.fresh(
    Layer.effect(
      Broker.Broker,
      Effect.gen(function* () {
        const broker = yield* Broker.Broker
        return wrap(broker, yield* Effect.all(transforms), options)
      })
    )
  )
