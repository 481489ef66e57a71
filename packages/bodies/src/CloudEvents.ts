/**
 * A layer around a broker that publishes events as CloudEvents, and consumes them.
 *
 * Use it for an exchange that services of others publish to or consume from. There is no
 * official binding of CloudEvents to AMQP 0.9.1. The names are those of the binding to
 * AMQP 1.0.
 *
 * @since 0.1.0
 */

import * as Broker from "effect-eventbus/Broker"
import type { Delivery, Unreadable } from "effect-eventbus/Delivery"
import type { Envelope } from "effect-eventbus/Envelope"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CloudEvent from "./internal/cloudEvent.ts"
import { OpenedDelivery } from "./internal/OpenedDeliveries.ts"

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * `binary`: the body is the payload, and the attributes are headers. `structured`: the body is JSON that has both.
   * Events of either mode are consumed. Default: `binary`.
   */
  readonly mode?: "binary" | "structured" | undefined
  /**
   * The `source` of events without a `sourceService`, as a URI reference such as `/shop`. An event that comes with it has
   * no `sourceService`.
   */
  readonly source: string
}

const structured = "application/cloudevents"
const structuredJson = `${structured}+json; charset=utf-8`

/** Reads a CloudEvent. `undefined`: the message is none. */
const read = (envelope: Envelope): CloudEvent.CloudEvent | undefined => {
  if (envelope.content?.type?.toLowerCase().startsWith(structured) === true) return CloudEvent.fromJson(envelope)
  return envelope.attributes === undefined ? undefined : CloudEvent.fromAttributes(envelope.attributes, envelope)
}

/**
 * Creates a layer that wraps the broker below it.
 *
 * **Details**
 *
 * `id`, `type`, `time`, `source` and `data` are the id, type, timestamp, service and
 * payload of the event. The other fields are extensions: `sourceagentid`, `traceid`,
 * `executionid`, `parenteventid`, `priority`, `ttlseconds`, `retrycount`, `maxretries`.
 * The trace context is `traceparent`. Fields that are none of the thirteen are extensions,
 * too, if their names are up to 64 lower-case letters and digits and their values texts.
 *
 * An id that is not a UUID becomes one, the same for the same source and id, and the
 * event has its own id in the extension `cloudevents_id`. A source that is not written
 * as `encodeURI` does is in the extension `cloudevents_source`. Both go out again when
 * the event is retried or becomes a dead letter, and so does the type of its data. An event without a time gets that of
 * its message, or the time at which it comes. One without data has an empty payload.
 *
 * Messages that are no CloudEvents are consumed as they are. A CloudEvent that lacks an
 * attribute, or whose data is not a JSON object, becomes a dead letter with the reason
 * `InvalidCloudEvent`, as it came.
 *
 * Throws a `RangeError` if `source` is empty.
 *
 * **Example** (An exchange of CloudEvents)
 *
 * ```ts
 * import { CloudEvents } from "@effect-eventbus/bodies"
 * import { EventBus, MemoryBroker } from "effect-eventbus"
 * import { Layer } from "effect"
 *
 * const Bus = EventBus.layer.pipe(
 *   Layer.provide(CloudEvents.layer({ source: "/shop" })),
 *   Layer.provide(MemoryBroker.layer()) // or AmqpBroker.layer({ exchange: "partners" })
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Broker.Broker, never, Broker.Broker> => {
  const { mode = "binary", source } = options
  if (source === "") throw new RangeError("The source of CloudEvents must not be empty")
  return Layer.fresh(
    Layer.effect(
      Broker.Broker,
      Effect.gen(function* () {
        const broker = yield* Broker.Broker
        const clock = yield* Clock.Clock
        /** The bodies that stay as they came. */
        const left = new WeakSet<Uint8Array>()

        const write = (envelope: Envelope): Envelope => {
          const event = left.has(envelope.body) ? undefined : CloudEvent.fromEnvelope(envelope, source)
          if (event === undefined) return envelope
          if (mode === "structured") {
            const content = { type: structuredJson, encoding: undefined }
            return { ...envelope, content, body: Buffer.from(CloudEvent.toJson(event)) }
          }
          const { datacontenttype: type, ...attributes } = event.attributes
          const content = type === "application/json" ? undefined : { type, encoding: undefined }
          return { ...envelope, attributes, content, body: Buffer.from(event.data ?? "") }
        }

        const open = (
          envelope: Envelope
        ): { readonly envelope: Envelope; readonly unreadable?: Unreadable | undefined } => {
          const event = read(envelope)
          if (event === undefined) return { envelope }
          const detail = CloudEvent.problem(event)
          if (detail === undefined) {
            return { envelope: CloudEvent.toEnvelope(event, envelope, source, clock.currentTimeMillisUnsafe()) }
          }
          left.add(envelope.body)
          return { envelope, unreadable: { code: "InvalidCloudEvent", detail } }
        }

        const opened = (delivery: Delivery): Delivery => {
          const { envelope, unreadable } = open(delivery.envelope)
          return envelope === delivery.envelope && unreadable === undefined
            ? delivery
            : new OpenedDelivery(delivery, envelope, unreadable)
        }

        return Broker.Broker.of({
          ...broker,
          publish: (envelope, delay) => broker.publish(write(envelope), delay),
          put: (queue, envelope, delay) => broker.put(queue, write(envelope), delay),
          reply: (queue, envelope) => broker.reply(queue, write(envelope)),
          consume: (queue, deliver) => broker.consume(queue, (delivery) => deliver(opened(delivery))),
          browse: (queue) =>
            Effect.map(broker.browse(queue), (browser) => ({
              ...browser,
              take: (atMost) =>
                Effect.map(browser.take(atMost), (all) =>
                  all.map((browsed) => ({ ...browsed, envelope: open(browsed.envelope).envelope }))
                )
            }))
        })
      })
    )
  )
}
