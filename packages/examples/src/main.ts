/** Starts the shop: `npm run example`, or `npm run example -- --broker amqp`. */

import { AmqpBroker } from "@effect-eventbus/amqp"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { EventBus } from "effect-eventbus"
import { Command, Flag } from "effect/cli"
import * as CardService from "./CardService.ts"
import * as Inventory from "./Inventory.ts"
import { OrderBook } from "./OrderBook.ts"
import * as Shop from "./Shop.ts"

const broker = Flag.Literals("broker", ["memory", "amqp"]).pipe(
  Flag.withDescription("The broker; amqp is the RabbitMQ that the environment names [memory]"),
  Flag.withDefault("memory")
)

const Services = Layer.mergeAll(CardService.layerConfig, Inventory.layerConfig, OrderBook.layer)

const shop = Command.make("shop", { broker }, ({ broker }) => {
  const app = Shop.layerConfig.pipe(Layer.provide(Services))
  return broker === "memory"
    ? Layer.launch(Layer.provide(app, EventBus.layerMemory))
    : Layer.launch(Layer.provide(app, EventBus.layer.pipe(Layer.provide(AmqpBroker.layerConfig))))
}).pipe(Command.withDescription("A shop on the bus: an HTTP API, workers, health and metrics"))

Command.run(shop, { version: "0.1.0" }).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
