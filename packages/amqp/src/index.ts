/**
 * RabbitMQ as the broker of effect-eventbus.
 *
 * `AmqpBroker.layer` is all that most need. The other modules, in the order in
 * which they stand on each other: `AmqpOptions`, `AmqpError`, `AmqpMessage`,
 * `AmqpConnection`, `AmqpChannel`, `AmqpTopology`, `DiscoverArguments`, `AmqpPlan`,
 * `AmqpProbe`, `AmqpQueue`, `ConfirmWindow`, `AmqpPublisher`, `AmqpAcknowledger`, `AmqpDelivery`, `AmqpConsumer`,
 * `AmqpBrowser`, `AmqpHealth`, `AmqpBroker`.
 *
 * @since 0.1.0
 */

export * as AmqpBroker from "./AmqpBroker.ts"
export * as AmqpConnection from "./AmqpConnection.ts"
export * as AmqpOptions from "./AmqpOptions.ts"
export * as AmqpPlan from "./AmqpPlan.ts"
export * as AmqpProbe from "./AmqpProbe.ts"
export * as AmqpQueue from "./AmqpQueue.ts"
export * as AmqpTopology from "./AmqpTopology.ts"
