import { join } from "node:path"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { BlobStore, Bodies, ClaimCheck, CloudEvents } from "@effect-eventbus/bodies"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, FileSystem, Layer, Option, Queue, Schedule, Schema, Stream } from "effect"
import { Broker, EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"
import { inject } from "vitest"
import * as Rig from "../amqp/support/Rig.ts"
import * as Process from "../cli/Process.ts"
import { eventually } from "../support/eventually.ts"
import type * as KilledPublisher from "./support/killedPublisher.ts"

const Report = EventType.make("report.made", { payload: Schema.Struct({ text: Schema.String }) })

const sealedBus = Effect.gen(function* () {
  const broker = yield* Broker.Broker
  const sealed = Bodies.wrap(broker, [yield* ClaimCheck.make({ over: 0 })])
  return { sealed, bus: yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, sealed)) }
})

const namesOf = Effect.flatMap(BlobStore.BlobStore, ({ list }) =>
  Effect.map(Stream.runCollect(list), (blobs) => blobs.map(({ name }) => name))
)

const url = inject("rabbitUrl")

describe("Orphans", () => {
  // One at a time: when the second is a dead letter, the first is gone.
  const reports = Subscription.make("reports", { events: [Report], concurrency: 1 })

  it.effect("are not known while another client holds a dead letter", () =>
    Effect.gen(function* () {
      const { bus } = yield* sealedBus
      const memory = yield* MemoryBroker.MemoryBroker
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bus.subscribe(
            Handler.make(reports, () => Effect.fail("no")).pipe(Handler.onFailure(FailurePolicy.deadLetter))
          )
          yield* bus.publish(yield* Report.event({ text: "dead" }))
          yield* memory.expect("dlq.reports", 1)
        })
      )
      yield* TestClock.adjust("3 days")
      const sweep = ClaimCheck.sweepOrphans({ queues: ["reports"], olderThan: "2 days" })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const held = yield* Deferred.make<void>()
          const letters = Subscription.make("dlq.reports", { events: [Report], drainTimeout: 0 })
          yield* bus.subscribe(
            Handler.make(letters, () => Effect.andThen(Deferred.succeed(held, undefined), Effect.never))
          )
          yield* Deferred.await(held)
          const error = yield* Effect.flip(sweep)
          assert.strictEqual(error._tag === "BrokerError" && error.reason._tag, "NotBrowsable")
        })
      )
      assert.strictEqual(yield* sweep, 0)
      assert.strictEqual((yield* namesOf).length, 1)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(MemoryBroker.layer(), BlobStore.layerMemory)))
  )

  it.effect("are the blobs that neither a waiting message nor a dead letter refers to", () =>
    Effect.gen(function* () {
      const { bus, sealed } = yield* sealedBus
      const store = yield* BlobStore.BlobStore
      yield* Effect.scoped(
        Effect.gen(function* () {
          const failed = yield* Deferred.make<void>()
          yield* bus.subscribe(
            Handler.make(reports, ({ payload }) =>
              payload.text === "dead"
                ? Effect.andThen(Deferred.succeed(failed, undefined), Effect.fail("no"))
                : Effect.void
            ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
          )
          yield* bus.publish(yield* Report.event({ text: "handled" }))
          yield* bus.publish(yield* Report.event({ text: "dead" }))
          const memory = yield* MemoryBroker.MemoryBroker
          yield* memory.expect("dlq.reports", 1)
        })
      )
      yield* bus.publish(yield* Report.event({ text: "waiting" }))
      yield* store.put("left over", new Uint8Array(1))
      assert.strictEqual((yield* namesOf).length, 4)

      const options = { queues: ["reports", "no such queue"], olderThan: "2 days" } as const
      assert.deepStrictEqual(yield* ClaimCheck.orphans(options), [])
      yield* TestClock.adjust("3 days")
      const found = yield* ClaimCheck.orphans(options)
      assert.strictEqual(found.length, 2)
      assert.strictEqual(yield* ClaimCheck.sweepOrphans(options), 2)
      const left = yield* namesOf
      assert.strictEqual(left.length, 2)
      assert.notInclude(left, "left over")
      // Both events are whole.
      const seen = yield* Queue.unbounded<string>()
      yield* bus.subscribe(Handler.make(reports, ({ payload }) => Queue.offer(seen, payload.text)))
      const comes = (text: string) => Effect.repeat(Queue.take(seen), { until: (each) => each === text })
      yield* comes("waiting")
      yield* bus.deadLetters("reports").replay()
      yield* comes("dead")

      const opened = yield* Effect.exit(ClaimCheck.orphans(options).pipe(Effect.provideService(Broker.Broker, sealed)))
      assert.isTrue(Exit.hasDies(opened))
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(MemoryBroker.layer(), BlobStore.layerMemory)))
  )
})

describe("A sweep", () => {
  const olderThan = "2 days"

  /** A store in which another process uses one blob, and removes another, while a sweep looks at them. */
  const busy = Layer.effect(
    BlobStore.BlobStore,
    Effect.map(BlobStore.BlobStore, (store) => ({
      ...store,
      list: Stream.tap(store.list, ({ name }) => {
        if (name === "used") return store.put(name, new Uint8Array(1))
        return name === "missing" ? store.remove(name) : Effect.void
      })
    }))
  ).pipe(Layer.provide(BlobStore.layerMemory))

  const filled = Effect.gen(function* () {
    const store = yield* BlobStore.BlobStore
    for (const name of ["missing", "removed", "used"]) yield* store.put(name, new Uint8Array(1))
    yield* TestClock.adjust("3 days")
  })

  it.effect("counts the blobs that it removed, and neither those that are used meanwhile nor those that are gone", () =>
    Effect.gen(function* () {
      yield* filled
      assert.strictEqual(yield* ClaimCheck.sweep({ olderThan }), 1)
    }).pipe(Effect.provide(busy))
  )

  it.effect("of orphans says what became of each, and counts those that it removed", () =>
    Effect.gen(function* () {
      yield* filled
      const swept = yield* Effect.flatMap(ClaimCheck.survey({ queues: [], olderThan }), ClaimCheck.removeOrphans)
      assert.deepStrictEqual(
        swept.map(({ name, removal }) => [name, removal]),
        ["missing", "removed", "used"].map((each) => [each, each])
      )
      yield* filled
      assert.strictEqual(yield* ClaimCheck.sweepOrphans({ queues: [], olderThan }), 1)
    }).pipe(Effect.provide(Layer.merge(busy, MemoryBroker.layer())))
  )
})

describe("Orphans of an exchange of CloudEvents", () => {
  for (const mode of ["binary", "structured"] as const) {
    it.effect(`are not those that a message refers to, which is looked at as it is on the wire: ${mode}`, () =>
      Effect.gen(function* () {
        const cloudEvents = yield* Layer.build(CloudEvents.layer({ mode, source: "/shop" }))
        const { bus } = yield* Effect.provide(sealedBus, cloudEvents)
        yield* bus.declare(Subscription.make("reports", { events: [Report] }))
        yield* bus.publish(yield* Report.event({ text: "waiting" }))
        yield* TestClock.adjust("3 days")
        assert.strictEqual((yield* namesOf).length, 1)
        const options = { queues: ["reports"], olderThan: "2 days" } as const
        assert.deepStrictEqual(yield* ClaimCheck.orphans(options), [])
        yield* bus.purge("reports")
        assert.strictEqual((yield* ClaimCheck.orphans(options)).length, 1)
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(MemoryBroker.layer(), BlobStore.layerMemory)))
    )
  }
})

/** The share of CI is small: `EVENTBUS_LARGE_BYTES=50000000 npm test -- bodies/ClaimCheck` is the whole proof. */
const largeBytes = Number(process.env["EVENTBUS_LARGE_BYTES"] ?? 5_000_000)

describe.skipIf(url === null)("Claim checks on RabbitMQ", () => {
  const folder = Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped()).pipe(
    Effect.provide(NodeServices.layer)
  )
  const blobsIn = (directory: string) => Layer.provide(BlobStore.layerFileSystem({ directory }), NodeServices.layer)

  it.live(
    "take a large payload through a retry, a dead letter, an edit and a replay",
    () =>
      Effect.gen(function* () {
        const rig = yield* Rig.make(url ?? "", "large")
        const queue = rig.queue("reports", [20])
        const reports = Subscription.make(queue, { events: [Report] })
        const text = "large ".repeat(largeBytes / 6)
        yield* Effect.gen(function* () {
          const { bus } = yield* sealedBus
          const seen = yield* Queue.unbounded<readonly [bytes: number, end: string, attempt: number]>()
          yield* bus.subscribe(
            Handler.make(reports, ({ payload }, { attempt }) =>
              Effect.andThen(
                Queue.offer(seen, [payload.text.length, payload.text.slice(-6), attempt]),
                payload.text.endsWith("fixed") ? Effect.void : Effect.fail("no")
              )
            ).pipe(
              Handler.onFailure(FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 1 }))))
            )
          )
          const { eventId } = yield* Effect.tap(Report.event({ text }), bus.publish)
          assert.deepStrictEqual(yield* Queue.takeN(seen, 2), [
            [text.length, "large ", 1],
            [text.length, "large ", 2]
          ])
          const letters = bus.deadLetters(queue)
          const isDead = Effect.map(bus.queueInfo(`dlq.${queue}`), (info) =>
            Option.exists(info, ({ messages }) => messages === 1)
          )
          yield* eventually("the event is a dead letter", isDead, { atMost: "60 seconds" })
          yield* letters.replay()
          assert.deepStrictEqual(
            (yield* Queue.takeN(seen, 2)).map(([bytes]) => bytes),
            [text.length, text.length]
          )
          assert.strictEqual((yield* namesOf).length, 1)
          yield* eventually("the event is a dead letter again", isDead, { atMost: "60 seconds" })
          yield* letters.edit(eventId, { text: `${text}fixed` }, Report)
          assert.deepStrictEqual(yield* Queue.take(seen), [text.length + 5, " fixed", 1])
          assert.strictEqual((yield* namesOf).length, 2)
        }).pipe(Effect.provide(Layer.mergeAll(AmqpBroker.layer(rig.options()), blobsIn(yield* folder))))
      }).pipe(Effect.scoped),
    180_000
  )

  it.live(
    "leave an orphan, and no event, where a publisher is killed between the two",
    () =>
      Effect.gen(function* () {
        const rig = yield* Rig.make(url ?? "", "killed")
        const queue = rig.queue("reports")
        const directory = yield* folder
        yield* Effect.gen(function* () {
          const { bus } = yield* sealedBus
          yield* bus.declare(Subscription.make(queue, { events: [Report] }))
          const parameters: KilledPublisher.Parameters = { url: rig.url, exchange: rig.exchange, directory }
          const publisher = Process.startModule(join(import.meta.dirname, "support/killedPublisher.ts"), [
            JSON.stringify(parameters)
          ])
          const { code, stderr } = yield* Effect.promise(() => publisher.ended)
          assert.deepStrictEqual([code, stderr], [null, ""])
          assert.strictEqual((yield* namesOf).length, 1)
          assert.strictEqual(Option.getOrThrow(yield* bus.queueInfo(queue)).messages, 0)
          const found = yield* ClaimCheck.orphans({ queues: [queue], olderThan: "0 millis" })
          assert.deepStrictEqual(
            found.map(({ name }) => name),
            yield* namesOf
          )
        }).pipe(Effect.provide(Layer.mergeAll(AmqpBroker.layer(rig.options()), blobsIn(directory))))
      }).pipe(Effect.scoped),
    300_000
  )
})
