import { AmqpDelay, AmqpLadder, AmqpOptions } from "@effect-eventbus/amqp"
import { Effect } from "effect"
import * as Leftovers from "./Leftovers.ts"

/** The delays after which the contract retries, in milliseconds: each has a queue to wait in. */
const delays = [10, 20, 50, 300, 1000, 1500]

/** The longest delay of a publish in the contract, in milliseconds. */
const longest = 6000

/** Deletes what the contract left on RabbitMQ. */
export const cleanUp =
  (url: string) =>
  ({
    queues,
    unique
  }: {
    readonly queues: () => ReadonlyArray<string>
    readonly unique: (name: string) => string
  }): Effect.Effect<void> =>
    Effect.promise(() => {
      const settings = AmqpOptions.settings({ exchange: unique("events") })
      const waits = queues().flatMap((queue) => delays.map((delay) => AmqpDelay.waitQueue(queue, delay, settings).name))
      const ladder = AmqpLadder.names(settings, longest)
      return Leftovers.remove(url, {
        queues: [...queues(), ...waits, ...ladder.queues],
        exchanges: [settings.exchange, settings.deadLetterExchange, ...ladder.exchanges]
      })
    })
