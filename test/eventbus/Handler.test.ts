import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"

const Ping = EventType.untyped("ping")
const pings = Subscription.make("pings", { events: [Ping] })
const handler = Handler.make(pings, () => Effect.fail("no"))

describe("Handler", () => {
  it("says, from the inside out, what has a part in its failures", () => {
    const steps = handler.pipe(
      Handler.timeout("30 seconds"),
      Handler.tap(() => Effect.void),
      Handler.onFailure(FailurePolicy.discard),
      Handler.provide(Layer.empty)
    ).steps
    assert.deepStrictEqual(steps, [
      { _tag: "Timeout", duration: Duration.seconds(30) },
      { _tag: "OnFailure", policy: FailurePolicy.discard }
    ])
    assert.deepStrictEqual(handler.steps, [])
  })

  it("is told from a subscription and an event type, and each of them from anything else", () => {
    const guards = [Handler.isHandler, Subscription.isSubscription, EventType.isEventType]
    const values: ReadonlyArray<unknown> = [handler, pings, Ping]
    for (const [i, is] of guards.entries()) {
      assert.deepStrictEqual(values.map(is), [i === 0, i === 1, i === 2])
      for (const other of [undefined, null, "pings", {}, [handler], () => handler]) assert.isFalse(is(other))
    }
  })
})
