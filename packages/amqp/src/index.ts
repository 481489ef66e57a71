/**
 * RabbitMQ as the broker of effect-eventbus.
 *
 * `AmqpBroker.layer` is all that most applications need. `AmqpOptions` configures it,
 * `AmqpTopology`, `AmqpDelay` and `AmqpPlan` know the queues and exchanges, and
 * `AmqpProbe`, `AmqpQueue`, `AmqpRetries` and `AmqpConnection` are for tools.
 *
 * @since 0.1.0
 */

export * as AmqpBroker from "./AmqpBroker.ts"
export * as AmqpConnection from "./AmqpConnection.ts"
export * as AmqpDelay from "./AmqpDelay.ts"
export * as AmqpLadder from "./AmqpLadder.ts"
export * as AmqpOptions from "./AmqpOptions.ts"
export * as AmqpPlan from "./AmqpPlan.ts"
export * as AmqpProbe from "./AmqpProbe.ts"
export * as AmqpQueue from "./AmqpQueue.ts"
export * as AmqpRetries from "./AmqpRetries.ts"
export * as AmqpTopology from "./AmqpTopology.ts"
