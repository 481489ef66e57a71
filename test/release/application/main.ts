/** An application on all packages, as a user writes it. It prints `ok` when everything was as expected. */
import * as assert from "node:assert"
import { AgentEvents } from "@effect-eventbus/agents"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { HealthRoutes } from "@effect-eventbus/http"
import { Contract } from "@effect-eventbus/inspect"
import { NodeHttpServer } from "@effect/platform-node"
import { Console, Deferred, Effect, Layer, Schedule, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import { HttpClient, HttpRouter } from "effect/http"

class Offline extends Schema.TaggedError<Offline>()("Offline", {}) {}
class UnknownInvoice extends Schema.TaggedError<UnknownInvoice>()("UnknownInvoice", {}) {}

const InvoicePaid = EventType.make("invoice.paid", {
  payload: Schema.Struct({ invoiceId: Schema.String, cents: Schema.Int })
})

const attempts: Array<string> = []
const booked = Deferred.makeUnsafe<number>()
const billing = Handler.make(Subscription.make("billing", { events: [InvoicePaid] }), ({ payload }) =>
  Effect.gen(function* () {
    attempts.push(payload.invoiceId)
    if (payload.invoiceId === "i-0") return yield* new UnknownInvoice()
    if (attempts.length === 2) return yield* new Offline()
    yield* Deferred.succeed(booked, payload.cents)
  })
).pipe(
  Handler.onFailure(
    FailurePolicy.tags({
      Offline: FailurePolicy.retry(Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 3 }))),
      UnknownInvoice: FailurePolicy.deadLetter
    })
  )
)

const inMemory = Effect.gen(function* () {
  const bus = yield* EventBus.EventBus
  yield* bus.subscribe(billing)
  yield* bus.publish(yield* InvoicePaid.event({ invoiceId: "i-0", cents: 1 }))
  yield* bus.publish(yield* InvoicePaid.event({ invoiceId: "i-1", cents: 1200 }))
  assert.strictEqual(yield* Deferred.await(booked), 1200)
  assert.deepStrictEqual(attempts, ["i-0", "i-1", "i-1"])

  const [group] = (yield* bus.deadLetters("billing").groups()).groups
  assert.strictEqual(group?.reason, "UnknownInvoice")

  const started = yield* AgentEvents.AgentStarted.event({})
  assert.strictEqual(started.eventType, "agent.started")
  const response = yield* HttpClient.get("/health/ready")
  assert.strictEqual(response.status, 200)
})

const App = HttpRouter.serve(HealthRoutes.layer, { disableListenLog: true, disableLogger: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layerTest),
  Layer.provideMerge(EventBus.layerMemory)
)

/** No broker listens there, which the driver finds out and the bus says by its type. */
const nowhere = EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ port: 1, connectionTimeout: "2 seconds" })))

const program = Effect.gen(function* () {
  yield* Effect.provide(inMemory, App)
  const refused = yield* Effect.flip(Effect.scoped(Layer.build(nowhere)))
  assert.strictEqual(refused.reason._tag, "ConnectionFailed")
  assert.strictEqual(QueueSpec.deadLetterQueueOf("billing"), "dlq.billing")
  const contract = yield* Contract.fromExports({ billing }, { title: "shop", version: "1.0.0" })
  assert.deepStrictEqual(contract.subscriptions.length, 1)
  yield* Console.log("ok")
})

await Effect.runPromise(Effect.scoped(program))
