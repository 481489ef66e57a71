/**
 * What one run has to itself on a broker: an exchange and its queues, declared as
 * the bus declares them, so that every contestant works on the same.
 *
 * @since 0.1.0
 */

import { randomBytes } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import * as AmqpTopology from "@effect-eventbus/amqp/AmqpTopology"
import { type ConfirmChannel, connect } from "amqplib"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Subscription from "effect-eventbus/Subscription"
import * as Redacted from "effect/Redacted"
import * as Order from "./SampleEvent.ts"
import type { Scenario } from "./Scenario.ts"

/**
 * How long a failed order waits, in milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const retryDelay = 10

/**
 * The queues of a run, and the exchanges that they are bound to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  readonly url: string
  readonly options: AmqpOptions.Options
  readonly exchange: string
  readonly deadLetterExchange: string
  readonly queues: ReadonlyArray<{
    readonly name: string
    readonly patterns: ReadonlyArray<string>
    /** Where its failed orders wait. */
    readonly wait: string
  }>
}

/**
 * Thinks of a place, and declares nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const plan = (url: string, scenario: Scenario, id = randomBytes(5).toString("hex")): Place => {
  const exchange = `bench-${id}`
  const options: AmqpOptions.Options = {
    url: Redacted.make(url),
    exchange,
    queueType: scenario.queueType,
    maxInFlight: Math.max(1000, scenario.inFlight),
    maxInFlightBytes: 2 ** 30,
    // Nobody else gives up on a slow broker, so the bus must not.
    connectionTimeout: "1 minute",
    publishTimeout: "1 minute"
  }
  // Without the address, which who works in memory has none of.
  const settings = AmqpOptions.settings({ exchange, queueType: scenario.queueType })
  const queues = Array.from({ length: scenario.queues }, (_, i) => {
    const name = `${exchange}.${i}`
    return {
      name,
      patterns: Order.patterns(scenario, i),
      wait: AmqpTopology.waitQueue(name, retryDelay, settings).name
    }
  })
  return { url, options, exchange, deadLetterExchange: settings.deadLetterExchange, queues }
}

const withChannel = async (url: string, f: (channel: ConfirmChannel) => Promise<void>): Promise<void> => {
  const model = await connect(url, { timeout: 10_000, noDelay: true })
  model.on("error", () => {})
  try {
    const channel = await model.createConfirmChannel()
    channel.on("error", () => {})
    await f(channel)
  } finally {
    await model.close()
  }
}

/**
 * Declares everything; queues to wait in only where something fails.
 *
 * @category running
 * @since 0.1.0
 */
export const make = (
  { deadLetterExchange, exchange, options, queues, url }: Place,
  { failsEvery }: Scenario
): Promise<void> =>
  withChannel(url, async (channel) => {
    const settings = AmqpOptions.settings(options)
    const declare = async ({ arguments: args, durable, name }: AmqpTopology.Declaration) => {
      await channel.assertQueue(name, { durable, arguments: args })
      await channel.bindQueue(name, deadLetterExchange, name)
    }
    await channel.assertExchange(exchange, "topic", { durable: true })
    await channel.assertExchange(deadLetterExchange, "direct", { durable: true })
    for (const { name, patterns } of queues) {
      const subscription = Subscription.make(name, { events: [Order.Order], patterns })
      await declare(AmqpTopology.deadLetterQueue(QueueSpec.deadLetterQueueOf(name), settings))
      await declare(AmqpTopology.workQueue(subscription, settings))
      // It is a quorum queue, and of those a RabbitMQ 3.10 with 1,024 file descriptors has room for about 300.
      if (failsEvery > 0) await declare(AmqpTopology.waitQueue(name, retryDelay, settings))
      await Promise.all(patterns.map((pattern) => channel.bindQueue(name, exchange, pattern)))
    }
  })

/**
 * Puts orders into the queues, as the bus would publish them.
 *
 * @category running
 * @since 0.1.0
 */
export const fill = ({ exchange, url }: Place, scenario: Scenario, count: number): Promise<void> =>
  withChannel(url, async (channel) => {
    const payload = Order.payloads(scenario.payloadBytes)
    for (let number = 0; number < count; number++) {
      const { content, id, timestamp } = Order.body(payload(number))
      channel.publish(exchange, Order.routingKey(scenario, number), content, Order.properties(id, timestamp))
      if (number % 500 === 499) await channel.waitForConfirms()
    }
    await channel.waitForConfirms()
  })

/**
 * What was consumed a moment ago, RabbitMQ 3.10 is still cutting off the logs of its
 * quorum queues. If it does not find a queue's log any more then, all of them stop.
 */
const logPause = 500

/**
 * Removes everything. What is not there is no error.
 *
 * @category running
 * @since 0.1.0
 */
export const remove = ({ deadLetterExchange, exchange, queues, url }: Place): Promise<void> =>
  withChannel(url, async (channel) => {
    await setTimeout(logPause)
    for (const { name, wait } of queues) {
      for (const queue of [name, wait, ...deadLetterQueues(name)]) await channel.deleteQueue(queue)
    }
    for (const each of [exchange, deadLetterExchange]) await channel.deleteExchange(each)
  })

const deadLetterQueues = (name: string): ReadonlyArray<string> => {
  const first = QueueSpec.deadLetterQueueOf(name)
  return [first, QueueSpec.deadLetterQueueOf(first)]
}
