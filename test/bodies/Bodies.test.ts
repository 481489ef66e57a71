import { randomBytes } from "node:crypto"
import { BlobStore, Bodies, type BodyTransform, ClaimCheck, Compression, Encryption } from "@effect-eventbus/bodies"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, FileSystem, Layer, Option, Redacted, Schedule, Schema, Stream } from "effect"
import {
  Broker,
  type Envelope,
  EventBus,
  EventType,
  FailurePolicy,
  Handler,
  MemoryBroker,
  Subscription
} from "effect-eventbus"
import { TestClock } from "effect/testing"

const Report = EventType.make("report.made", { payload: Schema.Struct({ text: Schema.String }) })
const reports = Subscription.make("reports", { events: [Report] })

const key = (byte: number) => Redacted.make(new Uint8Array(32).fill(byte))
const encryption = Encryption.aes256Gcm({ keys: { old: key(1), new: key(2) }, current: "new" })

const secret = "the quick brown fox ".repeat(2000)

type Transforms<R> = ReadonlyArray<Effect.Effect<BodyTransform.BodyTransform, never, R>>

/** A bus with transforms, and the broker below them. */
const busOf = <R>(transforms: Transforms<R>, options?: { readonly maxBodyBytes?: number }) =>
  EventBus.layer.pipe(Layer.provide(Bodies.layer(transforms, options)), Layer.provideMerge(MemoryBroker.layer()))

const publish = Effect.fnUntraced(function* (text: string) {
  const bus = yield* EventBus.EventBus
  const event = yield* Report.event({ text })
  yield* bus.publish(event)
  return event
})

const textOf = (envelope: Envelope.Envelope | undefined) => new TextDecoder().decode(envelope?.body)

/** The envelopes that the broker holds for the subscription. */
const stored = Effect.fnUntraced(function* (queue = "reports") {
  const memory = yield* MemoryBroker.MemoryBroker
  return yield* memory.expect(queue, 1)
})

const declare = Effect.flatMap(EventBus.EventBus, (bus) => bus.declare(reports))

/** Subscribes, and returns what is handled first. */
const handled = Effect.fnUntraced(function* () {
  const bus = yield* EventBus.EventBus
  const first = yield* Deferred.make<string>()
  yield* bus.subscribe(Handler.make(reports, ({ payload }) => Effect.asVoid(Deferred.succeed(first, payload.text))))
  return yield* Deferred.await(first)
})

const neverHandled = Effect.flatMap(EventBus.EventBus, (bus) =>
  bus.subscribe(Handler.make(reports, () => Effect.die("it must not be handled")))
)

const letter = Effect.map(stored("dlq.reports"), ([first]) => first)

/** A store whose answers a test decides. */
const unreliable = Effect.gen(function* () {
  const store = yield* BlobStore.BlobStore
  const state = { isDown: false, asked: yield* Deferred.make<void>() }
  const answer = <A>(effect: Effect.Effect<A, BlobStore.BlobStoreError>) =>
    Effect.suspend(() =>
      state.isDown
        ? Effect.andThen(
            Deferred.succeed(state.asked, undefined),
            Effect.fail(new BlobStore.BlobStoreError({ reason: "Unavailable", detail: "it is down" }))
          )
        : effect
    )
  const layer = Layer.succeed(BlobStore.BlobStore, {
    ...store,
    put: (name, bytes) => answer(store.put(name, bytes)),
    get: (name, limit) => answer(store.get(name, limit))
  })
  return { state, layer }
}).pipe(Effect.provide(BlobStore.layerMemory))

describe("Bodies", () => {
  it.effect("the fields of an event stay readable, its payload does not", () =>
    Effect.gen(function* () {
      yield* declare
      const event = yield* publish(secret)
      const [envelope] = yield* stored()
      const wire = JSON.parse(textOf(envelope))
      assert.strictEqual(wire.event_id, event.eventId)
      assert.strictEqual(wire.event_type, "report.made")
      assert.deepStrictEqual(
        wire.payload.$sealed.steps.map(({ step }: { step: string }) => step),
        ["gzip", "aes-256-gcm"]
      )
      assert.notInclude(textOf(envelope), "fox")
      assert.isBelow(envelope?.body.length ?? Infinity, secret.length / 20)
      assert.strictEqual(yield* handled(), secret)
    }).pipe(Effect.scoped, Effect.provide(busOf([Compression.gzip({ over: 0 }), encryption])))
  )

  it.effect("a payload that only looks sealed comes out as it went in", () => {
    const Odd = EventType.untyped("odd")
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const payload = { $sealed: { steps: [{ step: "gzip" }], data: "AAAA" } }
      const first = yield* Deferred.make<unknown>()
      yield* bus.subscribe(
        Handler.make(Subscription.make("odd", { events: [Odd] }), (event) =>
          Effect.asVoid(Deferred.succeed(first, event.payload))
        )
      )
      yield* bus.publish(yield* Odd.event(payload))
      assert.deepStrictEqual(yield* Deferred.await(first), payload)
    }).pipe(Effect.scoped, Effect.provide(busOf([Compression.gzip()])))
  })

  it.effect("a delayed event is sealed at once, and delivered when it is due", () =>
    Effect.gen(function* () {
      yield* declare
      const bus = yield* EventBus.EventBus
      yield* bus.publish(yield* Report.event({ text: "later" }), { delay: "1 minute" })
      yield* TestClock.adjust("59 seconds")
      const memory = yield* MemoryBroker.MemoryBroker
      assert.deepStrictEqual(yield* memory.peek("reports"), [])
      yield* TestClock.adjust("1 second")
      const [envelope] = yield* stored()
      assert.notInclude(textOf(envelope), "later")
      assert.strictEqual(yield* handled(), "later")
    }).pipe(Effect.scoped, Effect.provide(busOf([encryption])))
  )

  it.effect("a message that is not sealed is read as it is", () =>
    Effect.gen(function* () {
      yield* declare
      const broker = yield* Broker.Broker
      const event = yield* Report.event({ text: "plain" })
      const plain = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, broker))
      yield* plain.publish(event)
      assert.strictEqual(yield* handled(), "plain")
    }).pipe(Effect.scoped, Effect.provide(busOf([encryption])))
  )

  it.effect("events are handled in their order, even if the first takes longest to open", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const slow: BodyTransform.BodyTransform = {
        name: "slow",
        over: 20,
        seal: (bytes) => Effect.succeed(Option.some({ bytes, parameters: {} })),
        open: ({ bytes }) => Effect.as(Deferred.await(gate), bytes)
      }
      const broker = Bodies.wrap(yield* Broker.Broker, [slow])
      const bus = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, broker))
      const done = yield* Deferred.make<void>()
      const seen: Array<string> = []
      yield* bus.subscribe(
        Handler.make(reports, ({ payload }) => {
          seen.push(payload.text)
          return seen.length === 2 ? Deferred.done(done, Exit.void) : Effect.void
        })
      )
      const texts = ["a longer text, which is sealed", "short"]
      for (const text of texts) yield* bus.publish(yield* Report.event({ text }))
      yield* Deferred.succeed(gate, undefined)
      yield* Deferred.await(done)
      assert.deepStrictEqual(seen, texts)
    }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))
  )

  it.effect(
    "a large payload is the same after a retry, a dead letter, an edit and a replay, and is kept once",
    () => {
      const text = "0123456789".repeat(5_000_000)
      return Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const store = yield* BlobStore.BlobStore
        const blobs = Effect.map(Stream.runCollect(store.list), (list) => list.length)
        const attempts: Array<[string, number]> = []
        let fails = true
        const again = yield* Deferred.make<void>()
        yield* bus.subscribe(
          Handler.make(reports, ({ payload }, { attempt }) => {
            attempts.push([payload.text === text ? "same" : payload.text.slice(0, 20), attempt])
            return fails ? Effect.fail("not now") : Effect.asVoid(Deferred.succeed(again, undefined))
          }).pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced(1000).pipe(Schedule.upTo({ times: 1 })))))
        )
        const { eventId } = yield* publish(text)
        yield* TestClock.adjust(1000)
        const dead = yield* letter
        assert.isBelow(dead?.body.length ?? Infinity, 1000)
        assert.strictEqual(yield* blobs, 1)
        fails = false
        const letters = bus.deadLetters("reports")
        const { letters: shown } = yield* letters.peek()
        assert.include(textOf(shown[0]?.envelope), text)
        yield* letters.replay()
        yield* Deferred.await(again)
        assert.deepStrictEqual(attempts, [
          ["same", 1],
          ["same", 2],
          ["same", 1]
        ])
        assert.strictEqual(eventId, shown[0]?.id)
        assert.strictEqual(yield* blobs, 1)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(busOf([ClaimCheck.make()]), BlobStore.layerMemory)))
    },
    300_000
  )

  it.effect("a dead letter can be edited, and is sealed again", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen: Array<string> = []
      yield* bus.subscribe(
        Handler.make(reports, ({ payload }) => {
          seen.push(payload.text)
          return payload.text === "wrong" ? Effect.fail("no") : Effect.void
        }).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      const { eventId } = yield* publish("wrong")
      assert.notInclude(textOf(yield* letter), "wrong")
      yield* bus.deadLetters("reports").edit(eventId, { text: "right" }, Report)
      yield* Effect.yieldNow
      assert.deepStrictEqual(seen, ["wrong", "right"])
    }).pipe(Effect.scoped, Effect.provide(busOf([encryption])))
  )

  describe("what cannot be opened becomes a dead letter, as it came", () => {
    /** Publishes by some transforms, and consumes by others. */
    const across = <R>(
      sender: Transforms<R>,
      receiver: Transforms<R>,
      change: (envelope: Envelope.Envelope) => Envelope.Envelope = (envelope) => envelope,
      maxBodyBytes?: number
    ) =>
      Effect.gen(function* () {
        const broker = yield* Broker.Broker
        const sending = Bodies.wrap(
          { ...broker, publish: (envelope) => broker.publish(change(envelope)) },
          yield* Effect.all(sender)
        )
        const receiving = Bodies.wrap(
          broker,
          yield* Effect.all(receiver),
          maxBodyBytes === undefined ? {} : { maxBodyBytes }
        )
        const outgoing = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, sending))
        const incoming = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, receiving))
        yield* incoming.declare(reports)
        yield* outgoing.publish(yield* Report.event({ text: secret }))
        const [before] = yield* stored()
        yield* Effect.provideService(neverHandled, EventBus.EventBus, incoming)
        const after = yield* letter
        assert.deepStrictEqual(after?.body, before?.body)
        return [after?.fault?.reason, after?.fault?.message, after?.fault?.attempts]
      }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))

    it.effect("because this service lacks the key", () =>
      Effect.gen(function* () {
        const stranger = Encryption.aes256Gcm({ keys: { other: key(3) }, current: "other" })
        assert.deepStrictEqual(yield* across([encryption], [stranger]), [
          "UnknownKey",
          `the body was encrypted with the key "new", which this service does not have`,
          0
        ])
      })
    )

    it.effect("because its key is another one of the same id", () =>
      Effect.gen(function* () {
        const changed = Encryption.aes256Gcm({ keys: { new: key(3) }, current: "new" })
        assert.strictEqual((yield* across([encryption], [changed]))[0], "BodyCorrupt")
      })
    )

    it.effect("because its payload was moved into another message", () =>
      Effect.gen(function* () {
        const moved = (envelope: Envelope.Envelope) => ({ ...envelope, id: "1f0b5c1e-0000-4000-8000-000000000001" })
        assert.strictEqual((yield* across([encryption], [encryption], moved))[0], "BodyCorrupt")
        const renamed = (envelope: Envelope.Envelope) => ({ ...envelope, type: "report.signed" })
        assert.strictEqual((yield* across([encryption], [encryption], renamed))[0], "BodyCorrupt")
      })
    )

    it.effect("because this service lacks the transform", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* across([Compression.zstd({ over: 0 })], [Compression.gzip()]))[0], "UnknownStep")
      })
    )

    it.effect("because it would inflate beyond the limit", () =>
      Effect.gen(function* () {
        for (const transform of [Compression.gzip({ over: 0 }), Compression.zstd({ over: 0 })]) {
          assert.deepStrictEqual(yield* across([transform], [transform], undefined, secret.length), [
            "BodyTooLarge",
            `the body would inflate to more than ${secret.length} bytes`,
            0
          ])
        }
      })
    )

    it.effect("because its blob is gone", () =>
      Effect.gen(function* () {
        const claim = ClaimCheck.make({ over: 0 })
        const elsewhere = Effect.provide(claim, BlobStore.layerMemory)
        const [reason] = yield* across([Effect.provide(claim, BlobStore.layerMemory)], [elsewhere])
        assert.strictEqual(reason, "BodyGone")
      })
    )
  })

  it.effect("a browsed message that cannot be opened is shown and replayed as it came", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const make = (transform: Effect.Effect<BodyTransform.BodyTransform>) =>
        Effect.flatMap(transform, (it) =>
          EventBus.make.pipe(Effect.provideService(Broker.Broker, Bodies.wrap(broker, [it])))
        )
      const knows = yield* make(encryption)
      const lacks = yield* make(Encryption.aes256Gcm({ keys: { other: key(3) }, current: "other" }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.provideService(neverHandled, EventBus.EventBus, lacks)
          yield* knows.publish(yield* Report.event({ text: "for others" }))
          yield* letter
        })
      )
      yield* lacks.deadLetters("reports").replay()
      assert.strictEqual(yield* Effect.provideService(handled(), EventBus.EventBus, knows), "for others")
    }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))
  )

  it.effect("a key is replaced while messages of the old one wait", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const old = yield* Encryption.aes256Gcm({ keys: { old: key(1) }, current: "old" })
      const now = yield* encryption
      const before = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, Bodies.wrap(broker, [old])))
      const after = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, Bodies.wrap(broker, [now])))
      yield* before.declare(reports)
      yield* before.publish(yield* Report.event({ text: "of yesterday" }))
      assert.strictEqual(yield* Effect.provideService(handled(), EventBus.EventBus, after), "of yesterday")
    }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))
  )

  describe("while the store is down", () => {
    it.effect("a publish fails with a retryable error, and nothing is published", () =>
      Effect.gen(function* () {
        const { layer, state } = yield* unreliable
        state.isDown = true
        yield* Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          yield* bus.declare(reports)
          const failure = yield* Effect.flip(publish(secret))
          assert.strictEqual(failure.reason._tag, "Disconnected")
          assert.isTrue(failure.isRetryable)
          assert.include(failure.message, "it is down")
          const info = yield* bus.queueInfo("reports")
          assert.deepStrictEqual(
            Option.map(info, ({ messages }) => messages),
            Option.some(0)
          )
        }).pipe(Effect.scoped, Effect.provide(Layer.provide(busOf([ClaimCheck.make({ over: 0 })]), layer)))
      })
    )

    it.effect("a consumer waits, and no attempt is used up", () =>
      Effect.gen(function* () {
        const { layer, state } = yield* unreliable
        yield* Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          const first = yield* Deferred.make<readonly [string, number]>()
          yield* bus.declare(reports)
          yield* publish(secret)
          state.isDown = true
          yield* bus.subscribe(
            Handler.make(reports, ({ payload }, { attempt }) =>
              Effect.asVoid(Deferred.succeed(first, [payload.text, attempt]))
            )
          )
          yield* Deferred.await(state.asked)
          yield* TestClock.adjust("1 minute")
          assert.isFalse(yield* Deferred.isDone(first))
          state.isDown = false
          yield* TestClock.adjust("20 seconds")
          assert.deepStrictEqual(yield* Deferred.await(first), [secret, 1])
        }).pipe(Effect.scoped, Effect.provide(Layer.provide(busOf([ClaimCheck.make({ over: 0 })]), layer)))
      })
    )
  })

  it.effect("a broker that fails leaves a blob over, and never a message without its blob", () =>
    Effect.gen(function* () {
      const store = yield* BlobStore.BlobStore
      const broker = yield* Broker.Broker
      const order: Array<string> = []
      const claim = yield* ClaimCheck.make({ over: 0 }).pipe(
        Effect.provideService(BlobStore.BlobStore, {
          ...store,
          put: (name, bytes) => Effect.tap(store.put(name, bytes), () => Effect.sync(() => order.push("blob")))
        })
      )
      const failing = {
        ...broker,
        publish: () =>
          Effect.andThen(
            Effect.sync(() => order.push("publish")),
            Effect.die("killed")
          )
      }
      const bus = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, Bodies.wrap(failing, [claim])))
      yield* Effect.exit(bus.publish(yield* Report.event({ text: secret })))
      assert.deepStrictEqual(order, ["blob", "publish"])
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(MemoryBroker.layer(), BlobStore.layerMemory)))
  )

  it.effect("what is small stays as it is, byte by byte", () =>
    Effect.gen(function* () {
      yield* declare
      yield* publish("small")
      const [envelope] = yield* stored()
      assert.notInclude(textOf(envelope), "$sealed")
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.provide(busOf([Compression.gzip(), ClaimCheck.make()]), BlobStore.layerMemory))
    )
  )

  it.effect("what does not fit the broker, even sealed, is TooLarge", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const bus = yield* EventBus.make.pipe(
        Effect.provideService(
          Broker.Broker,
          Bodies.wrap({ ...broker, maxBodyBytes: 1000 }, [yield* Compression.gzip({ over: 0 })])
        )
      )
      yield* bus.declare(reports)
      yield* bus.publish(yield* Report.event({ text: "x".repeat(10_000) }))
      const noise = randomBytes(10_000).toString("base64")
      const failure = yield* Effect.flip(bus.publish(yield* Report.event({ text: noise })))
      assert.strictEqual(failure.reason._tag, "TooLarge")
    }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))
  )

  it("refuses wrong definitions", () => {
    assert.throws(() => Compression.gzip({ over: -1 }), RangeError)
    assert.throws(() => ClaimCheck.make({ over: 1.5 }), RangeError)
    assert.throws(() => Encryption.aes256Gcm({ keys: {}, current: "new" }), RangeError)
    const short = Redacted.make(new Uint8Array(16))
    assert.throws(() => Encryption.aes256Gcm({ keys: { short }, current: "short" }), RangeError, "32 bytes, not 16")
  })

  it.effect("a sweep removes the blobs that were not used for long", () =>
    Effect.gen(function* () {
      const store = yield* BlobStore.BlobStore
      yield* store.put("old", new Uint8Array(1))
      yield* store.put("used", new Uint8Array(1))
      yield* TestClock.adjust("2 days")
      yield* store.put("used", new Uint8Array(1))
      assert.strictEqual(yield* ClaimCheck.sweep({ olderThan: "1 day" }), 1)
      assert.deepStrictEqual(
        (yield* Stream.runCollect(store.list)).map(({ name }) => name),
        ["used"]
      )
    }).pipe(Effect.provide(BlobStore.layerMemory))
  )
})

describe("The blob store in a folder", () => {
  it.live("keeps blobs over its own end, renews their times, and lists no half of one", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const use = <A, E>(effect: Effect.Effect<A, E, BlobStore.BlobStore>) =>
        Effect.provide(effect, Layer.fresh(BlobStore.layerFileSystem({ directory })))
      const bytes = new Uint8Array([1, 2, 3])
      yield* use(Effect.flatMap(BlobStore.BlobStore, (store) => store.put("a/b", bytes)))
      yield* files.utimes(`${directory}/a%2Fb`, 1000, 1000)
      yield* files.writeFile(`${directory}/writing-1`, bytes)
      yield* use(
        Effect.gen(function* () {
          const store = yield* BlobStore.BlobStore
          assert.deepStrictEqual(Array.from(yield* Stream.runCollect(store.list)), [{ name: "a/b", usedAt: 1_000_000 }])
          yield* store.put("a/b", bytes)
          const [blob] = yield* Stream.runCollect(store.list)
          assert.isAbove(blob?.usedAt ?? 0, 1_000_000)
          assert.deepStrictEqual(
            Option.map(yield* store.get("a/b", 3), (found) => Array.from(found)),
            Option.some([1, 2, 3])
          )
          yield* store.remove("a/b")
          yield* store.remove("a/b")
          assert.isTrue(Option.isNone(yield* store.get("a/b", 3)))
        })
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
