import { ControlRoutes } from "@effect-eventbus/http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Broker, EventBus, Handler, MemoryBroker, PublishError, Subscription } from "effect-eventbus"
import { HttpRouter } from "effect/http"

const json = { "content-type": "application/json" }

/** Two processes on one broker, each with the routes; `refusing` makes the broker refuse publishes. */
const app = Effect.gen(function* () {
  const context = yield* Layer.build(MemoryBroker.layer())
  const memory = Layer.succeedContext(context)
  let isRefusing = false
  const broker = Layer.effect(
    Broker.Broker,
    Effect.map(Broker.Broker, (broker) => ({
      ...broker,
      publish: (envelope) =>
        isRefusing
          ? Effect.fail(new PublishError.Nacked({ routingKey: envelope.routingKey }))
          : broker.publish(envelope)
    }))
  ).pipe(Layer.provide(memory))
  const start = Effect.gen(function* () {
    const billing = EventBus.subscriber(
      Handler.make(Subscription.make("billing", { patterns: ["#"] }), () => Effect.void)
    )
    const { dispose, handler } = HttpRouter.toWebHandler(
      Layer.merge(ControlRoutes.layer, billing).pipe(Layer.provide(EventBus.layer), Layer.provide(broker))
    )
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    return (method: string, path: string, body?: string, headers: Record<string, string> = json) =>
      Effect.promise(async () => {
        const response = await handler(
          new Request(`http://localhost${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
        )
        const answer: unknown = await response.json()
        return { status: response.status, body: answer }
      })
  })
  const [one, other] = [yield* start, yield* start]
  // Both are up when they have answered.
  yield* one("GET", "/subscriptions")
  yield* other("GET", "/subscriptions")
  return { one, other, refuse: () => (isRefusing = true) }
})

describe("ControlRoutes", () => {
  it.live("pauses and resumes a subscription in every process, and shows its state", () =>
    Effect.gen(function* () {
      const { one, other } = yield* app
      const billing = (path: string) => `/subscriptions/billing/${path}`
      const paused = yield* one("POST", billing("pause"), JSON.stringify({ by: "Ada", for_ms: 3_600_000 }))
      assert.deepStrictEqual(paused, { status: 202, body: { queue: "billing", asked: "pause" } })
      const states = (request: typeof one) =>
        Effect.map(request("GET", "/subscriptions"), ({ body }) => JSON.stringify(body))
      const eventually = (request: typeof one, expected: RegExp) =>
        Effect.retry(
          Effect.flatMap(states(request), (text) => Effect.try(() => assert.match(text, expected))),
          Schedule.spaced("10 millis").pipe(Schedule.upTo({ duration: "1 minute" }))
        )
      for (const request of [one, other]) {
        yield* eventually(
          request,
          /"queue":"billing","state":"paused","by":"Ada","since":"20[^"]+Z","until":"20[^"]+Z"/
        )
      }
      yield* other("POST", billing("resume"), "{}")
      for (const request of [one, other]) yield* eventually(request, /"queue":"billing","state":"running"/)
    }).pipe(Effect.scoped)
  )

  it.live("refuses what it cannot do, and says why", () =>
    Effect.gen(function* () {
      const { one, refuse } = yield* app
      const pause = "/subscriptions/billing/pause"
      assert.deepStrictEqual(yield* one("POST", "/subscriptions/nothing/pause", "{}"), {
        status: 404,
        body: { error: 'no subscription "nothing" runs here' }
      })
      assert.strictEqual((yield* one("POST", pause, "{}", { "content-type": "text/plain" })).status, 415)
      for (const body of ["", "no JSON", "[]", '{"for_ms":0}', '{"for_ms":-1}', '{"for_ms":1.5}', '{"by":1}']) {
        assert.strictEqual((yield* one("POST", pause, body)).status, 400, body)
      }
      refuse()
      const { body, status } = yield* one("POST", pause, "{}")
      assert.strictEqual(status, 503)
      assert.match(JSON.stringify(body), /eventbus\.pause/)
    }).pipe(Effect.scoped)
  )
})
