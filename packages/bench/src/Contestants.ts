/**
 * The contestants by broker. Each is imported only in the process that it runs in.
 *
 * @since 0.1.0
 */

import type { Contestant } from "./Contestant.ts"
import type { Scenario } from "./Scenario.ts"

type Load = () => Promise<Contestant>

const memory = {
  eventbus: async () => (await import("./contestants/EventBus.ts")).memory,
  "eventbus-interpreted": async () => (await import("./contestants/EventBus.ts")).memory,
  "eventbus-breaker": async () => (await import("./contestants/EventBus.ts")).memoryWithBreaker,
  "eventbus-rate-limit": async () => (await import("./contestants/EventBus.ts")).memoryWithRateLimit,
  "eventbus-adaptive": async () => (await import("./contestants/EventBus.ts")).memoryWithAdaptive,
  smqp: async () => (await import("./contestants/Memory.ts")).smqp,
  "event-emitter": async () => (await import("./contestants/Memory.ts")).eventEmitter,
  "effect-pubsub": async () => (await import("./contestants/Memory.ts")).pubSub
} satisfies Record<string, Load>

const rabbitmq = {
  eventbus: async () => (await import("./contestants/EventBus.ts")).rabbitmq,
  "eventbus-interpreted": async () => (await import("./contestants/EventBus.ts")).rabbitmq,
  "eventbus-traced": async () => (await import("./contestants/EventBus.ts")).traced,
  "eventbus-breaker": async () => (await import("./contestants/EventBus.ts")).withBreaker,
  "eventbus-rate-limit": async () => (await import("./contestants/EventBus.ts")).withRateLimit,
  "eventbus-adaptive": async () => (await import("./contestants/EventBus.ts")).withAdaptive,
  "eventbus-unordered": async () => (await import("./contestants/EventBus.ts")).rabbitmq,
  "eventbus-single": async () => (await import("./contestants/EventBus.ts")).single,
  raw: async () => (await import("./contestants/Raw.ts")).raw,
  "raw-multiple": async () => (await import("./contestants/Raw.ts")).rawMultiple,
  "rabbitmq-client": async () => (await import("./contestants/RabbitmqClient.ts")).rabbitmqClient,
  "amqp-connection-manager": async () => (await import("./contestants/ConnectionManager.ts")).connectionManager,
  "amqp-client": async () => (await import("./contestants/AmqpClient.ts")).amqpClient,
  rascal: async () => (await import("./contestants/Rascal.ts")).rascal
} satisfies Record<string, Load>

const byBroker: Readonly<Record<Scenario["broker"], Readonly<Record<string, Load>>>> = { memory, rabbitmq }

/**
 * The contestant of each broker that the others are compared with.
 *
 * @category getters
 * @since 0.1.0
 */
export const baseline: Readonly<Record<Scenario["broker"], string>> = { memory: "smqp", rabbitmq: "raw" }

/**
 * Returns the names of the contestants on a broker. The bus comes first.
 *
 * @category getters
 * @since 0.1.0
 */
export const names = (broker: Scenario["broker"]): ReadonlyArray<string> => Object.keys(byBroker[broker])

const unordered = "eventbus-unordered"

/**
 * Returns the scenario as a contestant does it. One of them keeps no order, on a queue that
 * may have several consumers.
 *
 * @category getters
 * @since 0.1.0
 */
export const scenarioOf = (name: string, scenario: Scenario): Scenario =>
  name === unordered ? { ...scenario, keys: 0 } : scenario

/**
 * Returns whether a contestant takes part in a scenario where no `--peer` says so. The
 * one that handles each event of a batch by itself takes part where there are batches, and
 * the one that keeps no order where there are keys.
 *
 * @category getters
 * @since 0.1.0
 */
export const isPeer = (name: string, { batch, isForPeers, keys }: Scenario): boolean =>
  name === "eventbus-single" ? batch > 1 : name === unordered ? keys > 0 : isForPeers

/**
 * Returns the modules that Node imports before a contestant: Effect's compiler for
 * schemas, as the README advises. `eventbus-interpreted` runs without it.
 *
 * @category getters
 * @since 0.1.0
 */
export const imports = (name: string): ReadonlyArray<string> =>
  name.startsWith("eventbus") && name !== "eventbus-interpreted" ? ["effect/schema/SchemaJITCompiler/enable"] : []

/**
 * Loads a contestant.
 *
 * @category running
 * @since 0.1.0
 */
export const load = (broker: Scenario["broker"], name: string): Promise<Contestant> => {
  const load = byBroker[broker][name]
  if (load === undefined) throw new Error(`There is no contestant named ${name}`)
  return load()
}
