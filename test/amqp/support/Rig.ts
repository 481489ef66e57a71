import { AmqpBroker } from "@effect-eventbus/amqp"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import * as AmqpDelay from "@effect-eventbus/amqp/AmqpDelay"
import * as Settings from "@effect-eventbus/amqp/AmqpOptions"
import { Context, Effect, Layer, Queue, Redacted } from "effect"
import type { Scope } from "effect"
import { EventBus, EventType, Handler, Subscription } from "effect-eventbus"
import type { BrokerError } from "effect-eventbus"
import { remove, unique } from "../../support/Leftovers.ts"
import * as RawClient from "./RawClient.ts"

/** An event of the tests, under the routing key `{type}.normal`. */
export const Ping = EventType.untyped("ping")

/** The queues and exchanges of one test on a broker. All of it is removed with the scope. */
export interface Rig {
  readonly url: string
  readonly exchange: string
  readonly deadLetterExchange: string
  /** A queue's name, which is removed with its dead letters and its queues of these delays. */
  readonly queue: (name: string, delays?: ReadonlyArray<number>) => string
  readonly settings: (options?: AmqpOptions.Options) => AmqpOptions.Settings
  readonly options: (options?: AmqpOptions.Options) => AmqpOptions.Options
  /** A bus of its own, with connections of its own. */
  readonly bus: (
    options?: AmqpOptions.Options
  ) => Effect.Effect<EventBus.EventBus["Service"], BrokerError.BrokerError, Scope.Scope>
  readonly raw: Effect.Effect<RawClient.RawClient, never, Scope.Scope>
}

export const bus = (
  options: AmqpOptions.Options
): Effect.Effect<EventBus.EventBus["Service"], BrokerError.BrokerError, Scope.Scope> =>
  Effect.map(
    // Suspended, for options that cannot be meant are told when the layer is made.
    Effect.suspend(() => Layer.build(Layer.provide(EventBus.layer, AmqpBroker.layer(options)))),
    Context.get(EventBus.EventBus)
  )

/** On a busy machine a broker takes its time, which is no failure. */
const patience = { connectionTimeout: "30 seconds", publishTimeout: "1 minute" } as const

export const make = (url: string, name: string): Effect.Effect<Rig, never, Scope.Scope> =>
  Effect.gen(function* () {
    const exchange = unique(name)
    const deadLetterExchange = `${exchange}_dlx`
    const queues = new Set<string>()
    const options: Rig["options"] = (own = {}) => ({ ...patience, url: Redacted.make(url), exchange, ...own })
    const settings: Rig["settings"] = (own) => Settings.settings(options(own))
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => remove(url, { queues, exchanges: [exchange, deadLetterExchange] }))
    )
    return {
      url,
      exchange,
      deadLetterExchange,
      options,
      settings,
      queue: (name, delays = []) => {
        const queue = `${exchange}.${name}`
        queues.add(queue).add(`dlq.${queue}`).add(`dlq.dlq.${queue}`)
        for (const delay of delays) queues.add(AmqpDelay.waitQueue(queue, AmqpDelay.delayTier(delay), settings()).name)
        return queue
      },
      bus: (own) => bus(options(own)),
      raw: RawClient.open(url)
    }
  })

/** The ids of the events under `pattern`, as a queue's handler gets them. */
export const collect = (
  { subscribe }: EventBus.EventBus["Service"],
  queue: string,
  { pattern = "ping.*", ...options }: Subscription.Options & { readonly pattern?: string } = {}
): Effect.Effect<Queue.Dequeue<string>, BrokerError.SubscribeError, Scope.Scope> =>
  Effect.gen(function* () {
    const handled = yield* Queue.unbounded<string>()
    const subscription = Subscription.make(queue, { patterns: [pattern], ...options })
    yield* subscribe(Handler.make(subscription, (event) => Queue.offer(handled, event.eventId)))
    return handled
  })
