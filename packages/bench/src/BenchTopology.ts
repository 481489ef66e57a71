/**
 * The exchange and queues of one run, declared as the bus declares them, so that
 * every contestant works on the same topology.
 *
 * @since 0.1.0
 */

import { randomBytes } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import * as AmqpDelay from "@effect-eventbus/amqp/AmqpDelay"
import * as AmqpLadder from "@effect-eventbus/amqp/AmqpLadder"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import * as AmqpTopology from "@effect-eventbus/amqp/AmqpTopology"
import { type ConfirmChannel, connect } from "amqplib"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Subscription from "effect-eventbus/Subscription"
import * as Redacted from "effect/Redacted"
import * as SampleEvent from "./SampleEvent.ts"
import type { Scenario } from "./Scenario.ts"

/**
 * The milliseconds that a failed event waits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const retryDelay = 10

/**
 * The queues of a run and the exchanges that they are bound to.
 *
 * @category models
 * @since 0.1.0
 */
export interface BenchTopology {
  readonly url: string
  readonly options: AmqpOptions.Options
  readonly exchange: string
  readonly deadLetterExchange: string
  /** The queue in which events wait for a delay, and the exchange that leads into it, for contestants without the bus. */
  readonly later: string
  readonly queues: ReadonlyArray<{
    readonly name: string
    readonly patterns: ReadonlyArray<string>
    /** The queue in which its failed events wait. */
    readonly wait: string
  }>
}

/**
 * Names the topology of a run without declaring it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const plan = (url: string, scenario: Scenario, id = randomBytes(5).toString("hex")): BenchTopology => {
  const exchange = `bench-${id}`
  const options: AmqpOptions.Options = {
    url: Redacted.make(url),
    exchange,
    queueType: scenario.queueType,
    maxInFlight: Math.max(1000, scenario.inFlight),
    maxInFlightBytes: 2 ** 30,
    // The other contestants never give up on a slow broker, so the bus must not either.
    connectionTimeout: "1 minute",
    publishTimeout: "1 minute"
  }
  // Without the URL: scenarios in memory have none.
  const settings = AmqpOptions.settings({ exchange, queueType: scenario.queueType })
  const queues = Array.from({ length: scenario.queues }, (_, i) => {
    const name = `${exchange}.${i}`
    return {
      name,
      patterns: SampleEvent.patterns(scenario, i),
      wait: AmqpDelay.waitQueue(name, retryDelay, settings).name
    }
  })
  return { url, options, exchange, deadLetterExchange: settings.deadLetterExchange, later: `${exchange}.later`, queues }
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
 * Declares the topology. Wait queues are declared only for scenarios with failures.
 *
 * @category running
 * @since 0.1.0
 */
export const make = (
  { deadLetterExchange, exchange, later, options, queues, url }: BenchTopology,
  { delay, failsEvery, keys }: Scenario
): Promise<void> =>
  withChannel(url, async (channel) => {
    const settings = AmqpOptions.settings(options)
    const declare = async ({ arguments: args, durable, name }: AmqpTopology.Declaration) => {
      await channel.assertQueue(name, { durable, arguments: args })
      await channel.bindQueue(name, deadLetterExchange, name)
    }
    await channel.assertExchange(exchange, "topic", { durable: true })
    await channel.assertExchange(deadLetterExchange, "direct", { durable: true })
    if (delay > 0) {
      await channel.assertExchange(later, "fanout", { durable: true })
      const { "x-dead-letter-routing-key": _, ...args } = AmqpTopology.deadLetterTo("quorum", exchange, "")
      const declared = AmqpTopology.durable(later, "quorum", { ...args, "x-message-ttl": delay })
      await channel.assertQueue(later, { durable: true, arguments: declared.arguments })
      await channel.bindQueue(later, later, "")
    }
    for (const { name, patterns } of queues) {
      const orderedBy = keys > 0 ? () => "" : undefined
      const subscription = Subscription.make(name, { events: [SampleEvent.SampleEvent], patterns, orderedBy })
      await declare(AmqpTopology.deadLetterQueue(QueueSpec.deadLetterQueueOf(name), settings))
      await declare(AmqpTopology.workQueue(subscription, settings))
      // A wait queue is a quorum queue, and RabbitMQ 3.10 with 1,024 file descriptors has room for about 300 of them.
      if (failsEvery > 0) await declare(AmqpDelay.waitQueue(name, retryDelay, settings))
      await Promise.all(patterns.map((pattern) => channel.bindQueue(name, exchange, pattern)))
    }
  })

/**
 * Publishes events into the queues as the bus would.
 *
 * @category running
 * @since 0.1.0
 */
export const fill = ({ exchange, url }: BenchTopology, scenario: Scenario, count: number): Promise<void> =>
  withChannel(url, async (channel) => {
    const payload = SampleEvent.payloads(scenario.payloadBytes)
    for (let number = 0; number < count; number++) {
      const { content, id, timestamp } = SampleEvent.body(payload(number))
      channel.publish(
        exchange,
        SampleEvent.routingKey(scenario, number),
        content,
        SampleEvent.properties(id, timestamp)
      )
      if (number % 500 === 499) await channel.waitForConfirms()
    }
    await channel.waitForConfirms()
  })

/**
 * RabbitMQ 3.10 truncates the log of a quorum queue shortly after messages were
 * consumed. If the log is gone by then, all quorum queues stop.
 */
const logPause = 500

/** The longest delay of a scenario, in milliseconds. */
const longestDelay = 2000

/**
 * Deletes the topology. Missing queues and exchanges are no error.
 *
 * @category running
 * @since 0.1.0
 */
export const remove = ({ deadLetterExchange, exchange, later, options, queues, url }: BenchTopology): Promise<void> =>
  withChannel(url, async (channel) => {
    await setTimeout(logPause)
    for (const { name, wait } of queues) {
      for (const queue of [name, wait, ...deadLetterQueues(name)]) await channel.deleteQueue(queue)
    }
    const ladder = AmqpLadder.names(AmqpOptions.settings(options), longestDelay)
    for (const queue of [later, ...ladder.queues]) await channel.deleteQueue(queue)
    for (const each of [exchange, deadLetterExchange, later, ...ladder.exchanges]) await channel.deleteExchange(each)
  })

const deadLetterQueues = (name: string): ReadonlyArray<string> => {
  const first = QueueSpec.deadLetterQueueOf(name)
  return [first, QueueSpec.deadLetterQueueOf(first)]
}
