import { spawn } from "node:child_process"
import { once } from "node:events"
import { Socket } from "node:net"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as AmqpBroker from "@effect-eventbus/amqp/AmqpBroker"
import * as AmqpConnection from "@effect-eventbus/amqp/AmqpConnection"
import * as AmqpTopology from "@effect-eventbus/amqp/AmqpTopology"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Redacted, Result, Scope } from "effect"
import { DeadLetter, EventCodec, Fault, Handler, Subscription } from "effect-eventbus"
import type { BrokerError, EventBus } from "effect-eventbus"
import { inject } from "vitest"
import * as DiscoverArguments from "../../packages/amqp/src/internal/discoverArguments.ts"
import { eventually } from "../support/eventually.ts"
import * as Node from "./support/OwnNode.ts"
import type * as RawClient from "./support/RawClient.ts"
import * as Rig from "./support/Rig.ts"

const { Ping } = Rig
const url = inject("rabbitUrl") ?? ""
const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)

type Bus = EventBus.EventBus["Service"]

const messages = (bus: Bus, queue: string) =>
  Effect.map(bus.queueInfo(queue), Option.match({ onNone: () => 0, onSome: ({ messages }) => messages }))

setFlagsFromString("--expose-gc")
const gc: () => void = runInNewContext("gc")

/** A letter whose payload is a number. */
const letter = (n: number) =>
  Effect.map(Ping.event({ n }), (event) =>
    DeadLetter.fromEnvelope({
      ...Result.getOrThrow(
        EventCodec.toEnvelope(event, { routingKey: "ping.normal", persistent: true, traceparent: undefined })
      ),
      fault: Fault.make({ reason: "Flaky", message: "no", attempts: 1, now: 0, type: "ping" })
    })
  )

const numberOf = (body: Uint8Array): number => JSON.parse(new TextDecoder().decode(body)).payload.n

/** Declares a queue, and puts letters into its dead letters. */
const bury = Effect.fnUntraced(function* (bus: Bus, queue: string, count: number) {
  yield* Effect.scoped(Rig.collect(bus, queue))
  yield* Effect.forEach(numbers(count), (n) => Effect.flatMap(letter(n), bus.deadLetters(queue).put), {
    concurrency: 1000,
    discard: true
  })
})

/** A queue of dead letters as another library declares it. */
const foreign = Effect.fnUntraced(function* (
  { channel, publish, run }: RawClient.RawClient,
  name: string,
  options: Parameters<typeof channel.assertQueue>[1]
) {
  yield* run((channel) => channel.assertQueue(name, options))
  for (const n of [1, 2]) {
    const { envelope } = yield* letter(n)
    yield* publish("", name, envelope.body, { persistent: true })
  }
})

describe.skipIf(url === "")("DeadLetters", () => {
  const rig = Rig.make(url, "letters")

  it.live(
    "are not spoiled by being looked at 600 times: all are there, in their order",
    () =>
      Effect.gen(function* () {
        const { bus, queue } = yield* rig
        const events = yield* bus()
        const name = queue("work")
        yield* bury(events, name, 40)
        for (const i of numbers(600)) {
          const { letters } = yield* events.deadLetters(name).peek({ limit: 1 + (i % 7) })
          assert.deepStrictEqual(
            letters.map(({ envelope }) => numberOf(envelope.body)),
            numbers(1 + (i % 7)),
            `look ${i}`
          )
        }
        const { letters } = yield* events.deadLetters(name).peek({ limit: 40 })
        assert.deepStrictEqual(
          letters.map(({ envelope }) => numberOf(envelope.body)),
          numbers(40)
        )
        assert.strictEqual(yield* messages(events, `dlq.dlq.${name}`), 0)
      }),
    300_000
  )

  it.live("hold one batch in memory while they are looked at", () =>
    Effect.gen(function* () {
      const { bus, options, queue, raw } = yield* rig
      const name = queue("work")
      yield* bury(yield* bus(), name, 0)
      const { publish } = yield* raw
      const size = 100 * 1024
      yield* Effect.forEach(numbers(160), () => publish("", `dlq.${name}`, Buffer.alloc(size)), { concurrency: 20 })
      const broker = yield* AmqpBroker.make(options())
      const browser = yield* broker.browse(`dlq.${name}`)
      const held = () => {
        gc()
        return process.memoryUsage().arrayBuffers
      }
      const before = held()
      for (const _ of numbers(5)) {
        assert.strictEqual((yield* browser.take(32)).length, 32)
        yield* eventually(
          "the batches before are gone",
          Effect.sync(() => held() < before + 48 * size)
        )
      }
    })
  )

  it.live("are seen whole and in order by each of several processes that look at once", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig
      const name = queue("work")
      const buses = yield* Effect.all([bus(), bus(), bus()])
      yield* bury(buses[0], name, 40)
      const looks = [...buses, ...buses].map((events) => events.deadLetters(name).peek({ limit: 40 }))
      for (const { consumers, letters, looked, waiting } of yield* Effect.all(looks, { concurrency: "unbounded" })) {
        assert.deepStrictEqual({ consumers, looked, waiting }, { consumers: 0, looked: 40, waiting: 40 })
        assert.deepStrictEqual(
          letters.map(({ envelope }) => numberOf(envelope.body)),
          numbers(40)
        )
      }
    })
  )

  it.live("are replayed once by processes that replay at once", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig
      const name = queue("work")
      const buses = yield* Effect.all([bus(), bus()])
      yield* bury(buses[0], name, 60)
      const results = yield* Effect.all(
        buses.map((events) => events.deadLetters(name).replay()),
        { concurrency: "unbounded" }
      )
      assert.sameMembers(
        results.map(({ done }) => done),
        [60, 0]
      )
    })
  )

  it.live("wait for the look of another process, which frees the lock when it is cut off", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig
      const name = queue("work")
      const events = yield* bus()
      yield* bury(events, name, 3)
      const lock = AmqpTopology.lookLock(`dlq.${name}`).name
      const own = { durable: false, exclusive: true, autoDelete: true, arguments: { "x-queue-type": "classic" } }
      const others = yield* Scope.make()
      const other = yield* Scope.provide(raw, others)
      yield* other.run((channel) => channel.assertQueue(lock, own))

      const impatient = yield* bus({ connectionTimeout: "1 second" })
      const error = yield* Effect.flip(impatient.deadLetters(name).peek())
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.match(error.message, /another process/)
      assert.isTrue(error.isRetryable)

      let isOver = false
      const look = yield* Effect.forkChild(
        Effect.map(events.deadLetters(name).peek(), ({ looked }) => [looked, isOver]),
        { startImmediately: true }
      )
      // Nor does a look that is interrupted while it waits leave anything behind.
      const waiting = yield* Effect.forkChild((yield* bus()).deadLetters(name).peek(), { startImmediately: true })
      yield* Effect.timeoutOption(Fiber.await(look), "300 millis")
      yield* Fiber.interrupt(waiting)
      isOver = true
      // Its socket is gone, without a word.
      const stream: unknown = Reflect.get(other.channel.connection, "stream")
      assert.instanceOf(stream, Socket)
      stream.destroy()
      assert.deepStrictEqual(yield* Fiber.join(look), [3, true])
      assert.strictEqual((yield* impatient.deadLetters(name).peek()).looked, 3)
      yield* Scope.close(others, Exit.void)
    })
  )

  it.live("may be looked at for long while an ordered subscription starts, which waits to handle events", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig
      const name = queue("work")
      const ordered = Subscription.make(name, { events: [Ping], orderedBy: () => "k" })
      const events = yield* bus({ connectionTimeout: "1 second" })
      yield* events.declare(ordered)
      const lock = AmqpTopology.lookLock(`dlq.${name}`).name
      const own = { durable: false, exclusive: true, arguments: { "x-queue-type": "classic" } }
      const others = yield* Scope.make()
      const other = yield* Scope.provide(raw, others)
      yield* other.run((channel) => channel.assertQueue(lock, own))

      const handled: Array<unknown> = []
      yield* events.subscribe(Handler.make(ordered, ({ payload }) => Effect.sync(() => handled.push(payload["n"]))))
      yield* events.publish(yield* Ping.event({ n: 1 }))
      // It is taken, but not handled.
      yield* eventually(
        "the event is taken",
        Effect.map(messages(events, name), (waiting) => waiting === 0)
      )
      assert.deepStrictEqual(handled, [])
      yield* Scope.close(others, Exit.void)
      yield* eventually(
        "the event is handled",
        Effect.sync(() => handled.length === 1)
      )
    })
  )

  it.live("leave no lock behind, also where a look is interrupted or fails", () =>
    Effect.gen(function* () {
      const { bus, options, queue, raw } = yield* rig
      const name = queue("work")
      const events = yield* bus()
      yield* bury(events, name, 40)
      yield* bury(events, queue("other"), 1)
      const broker = yield* AmqpBroker.make(options())
      // The connection of the looks stays open, so that their locks would stay, too.
      yield* broker.browse(`dlq.${queue("other")}`)
      const isFree = (lookedAt: string) =>
        Effect.flatMap(raw, ({ run }) =>
          run((channel) =>
            channel.assertQueue(AmqpTopology.lookLock(lookedAt).name, { exclusive: true, durable: false })
          )
        ).pipe(Effect.scoped)
      const look = Effect.scoped(Effect.flatMap(broker.browse(`dlq.${name}`), ({ take }) => take(40)))
      yield* look
      yield* isFree(`dlq.${name}`)
      for (const delay of [0, 1, 2, 4, 8, 16]) {
        const interrupted = yield* Effect.forkChild(look, { startImmediately: true })
        yield* Effect.timeoutOption(Fiber.await(interrupted), delay)
        yield* Fiber.interrupt(interrupted)
        yield* isFree(`dlq.${name}`)
      }
      yield* Effect.flip(Effect.scoped(broker.browse(`dlq.${queue("missing")}`)))
      yield* isFree(`dlq.${queue("missing")}`)
    })
  )

  for (const [what, args] of [
    ["a delivery limit of 20", { "x-queue-type": "quorum", "x-delivery-limit": 20 }],
    ["no delivery limit of its own", { "x-queue-type": "quorum" }],
    ["a limit beside other arguments", { "x-queue-type": "quorum", "x-delivery-limit": 3, "x-max-length": 1000 }]
  ] as const) {
    it.live(`in a quorum queue of others with ${what} are refused, and not touched`, () =>
      Effect.gen(function* () {
        const { bus, queue, raw } = yield* rig
        const name = queue("work")
        const other = yield* raw
        yield* foreign(other, `dlq.${name}`, { durable: true, arguments: args })
        const letters = (yield* bus()).deadLetters(name)
        for (const look of ["peek", "groups", "replay"] as const) {
          const error = yield* Effect.flip<unknown, BrokerError.BrokerError, never>(letters[look]())
          assert.strictEqual(error.reason._tag, "NotBrowsable")
          assert.include(error.message, `dlq.${name}`)
          assert.match(error.message, /delivery limit.*x-delivery-limit 1000000000/)
          assert.isFalse(error.isRetryable)
        }
        for (const _ of [1, 2]) {
          const { fields, properties } = yield* other.take(`dlq.${name}`)
          assert.isFalse(fields.redelivered)
          assert.strictEqual(properties.headers?.["x-delivery-count"] ?? 0, 0)
        }
      })
    )
  }

  for (const [what, options] of [
    ["as plain as can be", { durable: true }],
    ["with arguments", { durable: true, arguments: { "x-max-length": 10, "x-dead-letter-exchange": "123" } }],
    ["with priorities", { durable: true, arguments: { "x-queue-type": "classic", "x-max-priority": 5 } }],
    ["that is not durable", { durable: false }]
  ] as const) {
    it.live(`in a classic queue of others, ${what}, are looked at and replayed`, () =>
      Effect.gen(function* () {
        const { bus, queue, raw } = yield* rig
        const name = queue("work")
        const other = yield* raw
        yield* foreign(other, `dlq.${name}`, options)
        // Nor does the exchange of dead letters lead to a queue that others declared.
        yield* other.run((channel) => channel.assertQueue(name, { durable: true }))
        const letters = (yield* bus()).deadLetters(name)
        for (const _ of numbers(30)) {
          const peeked = yield* letters.peek()
          assert.deepStrictEqual(
            peeked.letters.map(({ envelope, type }) => [numberOf(envelope.body), type, envelope.fault]),
            [
              [1, "ping", undefined],
              [2, "ping", undefined]
            ]
          )
        }
        const { groups } = yield* letters.groups()
        assert.deepStrictEqual(
          groups.map(({ count, reason }) => [count, reason]),
          [[2, undefined]]
        )
        assert.deepInclude(yield* letters.replay(), { done: 2, skipped: 0, failed: 0 })
        assert.deepInclude((yield* other.take(name)).properties.headers, { "eb-round": 1, "eb-attempt": 1 })
      })
    )
  }

  it.live("in a queue that goes with its last consumer are refused, and not touched", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig
      const name = queue("work")
      const other = yield* raw
      yield* foreign(other, `dlq.${name}`, { durable: true, autoDelete: true })
      const error = yield* Effect.flip((yield* bus()).deadLetters(name).peek())
      assert.match(error.message, /deleted with its last consumer/)
      assert.isFalse((yield* other.take(`dlq.${name}`)).fields.redelivered)
    })
  )

  it.live("say on which machine they failed, in headers that are small whatever a fault says", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig
      const events = yield* bus()
      const name = queue("work")
      const other = yield* raw
      const long = "漢".repeat(50_000)
      const broken = Handler.make(Subscription.make(name, { patterns: ["ping.*"] }), () =>
        Effect.die(Object.assign(new Error(long), { name: long, stack: long }))
      )
      yield* events.subscribe(broken)
      yield* events.publish(yield* Ping.event({}, { maxRetries: 0 }))
      yield* eventually(
        "it is a dead letter",
        Effect.map(messages(events, `dlq.${name}`), (n) => n === 1)
      )
      const [dead] = (yield* events.deadLetters(name).peek()).letters
      assert.match(dead?.envelope.fault?.host ?? "", /./)
      // What others export may be of any size.
      const fault = Fault.make({ reason: "r", message: "m", attempts: 1, now: 0 })
      const forged = { ...fault, reason: long, message: long, stack: long, fingerprint: long, host: long }
      const { envelope } = yield* letter(1)
      yield* events.deadLetters(name).put(DeadLetter.fromEnvelope({ ...envelope, routingKey: long, fault: forged }))
      for (const _ of [1, 2]) {
        const { headers } = (yield* other.take(`dlq.${name}`)).properties
        assert.isBelow(Buffer.byteLength(JSON.stringify(headers)), 16 * 1024)
        assert.isAtLeast(Buffer.byteLength(JSON.stringify(headers)), 8 * 1024)
      }
    })
  )

  it.live("an argument of a queue is learnt from the broker's refusals, whatever it is", () =>
    Effect.gen(function* () {
      const { queue, raw, settings } = yield* rig
      const name = queue("work")
      const args = { "x-queue-type": "classic", "x-max-length": 7, "x-max-priority": 3, "x-message-ttl": 70_000 }
      const texts = {
        "x-dead-letter-exchange": "12",
        "x-dead-letter-routing-key": "it's 'so'",
        "x-overflow": "drop-head"
      }
      const all = { ...args, ...texts, "x-single-active-consumer": true }
      yield* (yield* raw).run((channel) => channel.assertQueue(`dlq.${name}`, { durable: true, arguments: all }))
      const connection = yield* AmqpConnection.make(settings(), "consume")
      const guess = AmqpTopology.deadLetterQueue(`dlq.${name}`, settings())
      const declared = yield* DiscoverArguments.learn(yield* connection.live, guess)
      assert.deepInclude(declared, { durable: true, autoDelete: false })
      assert.deepInclude(declared.arguments, all)
    })
  )

  it.live(
    "a replay that is killed loses none of 10,000, and repeats at most what was in flight",
    () =>
      Effect.gen(function* () {
        const { bus, exchange, queue } = yield* rig
        const events = yield* bus({ prefetch: 1000 })
        const name = queue("work")
        const total = 10_000
        yield* bury(events, name, total)
        const script = join(import.meta.dirname, "support/replay.ts")
        const done = yield* Effect.promise(async () => {
          const child = spawn(process.execPath, [script, url, exchange, name], { stdio: ["pipe", "pipe", "inherit"] })
          const ended = once(child, "exit")
          let done = 0
          createInterface({ input: child.stdout }).on("line", (line) => {
            done = Number(line)
            if (done >= total / 3) child.kill("SIGKILL")
          })
          await ended
          return done
        })
        assert.isAtLeast(done, total / 3)
        assert.isBelow(done, total)
        const seen = new Map<string, number>()
        const counting = Handler.make(Subscription.make(name, { patterns: ["ping.*"], concurrency: 1000 }), (event) =>
          Effect.sync(() => void seen.set(event.eventId, (seen.get(event.eventId) ?? 0) + 1))
        )
        yield* events.subscribe(counting)
        yield* eventually(
          "the broker has put back what the process held, and all is replayed",
          Effect.andThen(
            events.deadLetters(name).replay(),
            Effect.sync(() => seen.size === total)
          )
        )
        yield* eventually(
          "nothing is left",
          Effect.zipWith(messages(events, name), messages(events, `dlq.${name}`), (a, b) => a + b === 0)
        )
        const repeated = [...seen.values()].reduce((sum, times) => sum + times - 1, 0)
        // A hundred are on their way at once, and of as many more the acknowledgement may be: no confirm comes for it.
        assert.isAtMost(repeated, 200)
      }),
    300_000
  )
})

describe.skipIf(!Node.isPossible)("The dead letters that a user without the right to lock them looks at", () => {
  const node = Node.ownNode()

  it.live("are seen without the lock, and a look by another user tells of it", () =>
    Effect.gen(function* () {
      const { bus, exchange, options, queue } = yield* Rig.make(node.url, "limited")
      const name = queue("work")
      const events = yield* bus()
      yield* bury(events, name, 40)
      yield* node.ctl("add_user", "tests", "limited")
      yield* node.ctl("set_permissions", "tests", `^(dlq\\.)?${exchange}`, `^${exchange}`, `^(dlq\\.)?${exchange}`)
      const url = Redacted.make(`amqp://tests:limited@127.0.0.1:${node.port}`)
      const limited = yield* AmqpBroker.make(options({ url, topology: "none" }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const browser = yield* limited.browse(`dlq.${name}`)
          assert.lengthOf(yield* browser.take(32), 32)
          const { consumers, looked, waiting } = yield* events.deadLetters(name).snapshot()
          assert.deepStrictEqual({ consumers, looked, waiting }, { consumers: 1, looked: 8, waiting: 8 })
        })
      )
      assert.deepInclude(yield* events.deadLetters(name).groups(), { consumers: 0, looked: 40, waiting: 40 })
    })
  )
})

describe.skipIf(!Node.isPossible)("The dead letters of a quorum queue that is too busy to count them", () => {
  const node = Node.ownNode()

  /** Holds the leader of a queue up. Then the broker says of the queue that it has no messages and no consumers. */
  const holdUp = (queue: string, millis: number) =>
    node.ctl(
      "eval",
      `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)), Leader = amqqueue:get_pid(Q), ` +
        `ok = sys:suspend(Leader), spawn(fun() -> timer:sleep(${millis}), sys:resume(Leader) end).`
    )

  it.live("are seen all the same, and stay in their order", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* Rig.make(node.url, "busy")
      const events = yield* bus()
      const name = queue("work")
      for (const count of [3, 50]) {
        yield* bury(events, name, count)
        yield* eventually(
          "all are there",
          Effect.map(messages(events, `dlq.${name}`), (there) => there === count)
        )
        yield* holdUp(`dlq.${name}`, 3000)
        assert.strictEqual(yield* messages(events, `dlq.${name}`), 0, "the broker has counted them")
        const { consumers, letters, waiting } = yield* events.deadLetters(name).peek({ limit: 100 })
        assert.deepStrictEqual({ consumers, waiting }, { consumers: 0, waiting: count })
        assert.deepStrictEqual(
          letters.map(({ envelope }) => numberOf(envelope.body)),
          numbers(count)
        )
        assert.strictEqual((yield* events.deadLetters(name).discard({})).done, count)
      }
    })
  )
})
