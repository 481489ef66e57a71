import { randomBytes } from "node:crypto"
import { assert, describe, inject, it } from "@effect/vitest"
import type { GetMessage } from "amqplib"
import { Effect } from "effect"
import * as BenchTopology from "../../packages/bench/src/BenchTopology.ts"
import type { Contestant, Stage } from "../../packages/bench/src/Contestant.ts"
import { rabbitmq } from "../../packages/bench/src/contestants/EventBus.ts"
import { raw, rawMultiple } from "../../packages/bench/src/contestants/Raw.ts"
import * as SampleEvent from "../../packages/bench/src/SampleEvent.ts"
import { all } from "../../packages/bench/src/Scenario.ts"
import * as RawClient from "../amqp/support/RawClient.ts"
import { FrameReader } from "../lab/proxy/Frame.ts"
import { TcpProxy } from "../lab/proxy/TcpProxy.ts"

const url = inject("rabbitUrl") ?? ""
const scenario = { ...all[0]!, queueType: "classic" as const, work: "both" as const, prefetch: 7 }

const cancel = (60 << 16) | 30

/** Whether a method is of the classes `basic` or `confirm`. The others only set up and tear down. */
const isOfInterest = (method: number): boolean => (method >> 16 === 60 || method >> 16 === 85) && method !== cancel

/** Returns the methods that a contestant sends while it publishes two events and handles them, one of them after a retry. */
const methodsOf = async (
  contestant: Contestant,
  topology: BenchTopology.BenchTopology
): Promise<ReadonlyArray<string>> => {
  const methods: Array<string> = []
  const proxy = await TcpProxy.open(Number(new URL(url).port), () => {
    const reader = new FrameReader()
    return (direction, chunk) => {
      if (direction === "up") {
        for (const { bytes, method } of reader.read(chunk)) {
          if (isOfInterest(method)) methods.push(bytes.toString("hex", 7))
        }
      }
      return { pass: chunk, cut: false }
    }
  })
  const proxied = Object.assign(new URL(url), { host: `127.0.0.1:${proxy.port}` }).href
  let done = (): void => {}
  const both = new Promise<void>((resolve) => {
    done = resolve
  })
  let number = 0
  let handled = 0
  const stage: Stage = {
    scenario,
    topology: { ...BenchTopology.plan(proxied, scenario, topology.exchange.slice(6)) },
    next: () => {
      const i = number++
      return { payload: SampleEvent.payloads(100)(i), routingKey: SampleEvent.routingKey(scenario, i) }
    },
    fails: ({ number }, attempt) => number === 0 && attempt === 1,
    handled: () => ++handled === 2 && done()
  }
  const session = await contestant.open(stage)
  await session.consume()
  await session.publish(2, 1)
  await both
  await session.close()
  await proxy.close()
  return methods.toSorted()
}

const confirmSelect = "0055000a00ce"
const alarmProbe = Buffer.from("eb:no-queue").toString("hex")

/** Leaves out what the bus sends once, however many events follow: its question for an alarm, and its channel for retries. */
const ofEvents = (methods: ReadonlyArray<string>) =>
  methods.filter(
    (method, i) => !method.includes(alarmProbe) && !(method === confirmSelect && methods[i - 1] === confirmSelect)
  )

/** Returns a message without the parts that differ between any two messages. */
const comparable = ({ content, fields, properties }: GetMessage) => {
  const { messageId, timestamp, ...others } = properties
  const {
    "eb-fingerprint": fingerprint,
    "eb-first-failed-at": first,
    "eb-last-failed-at": last,
    "eb-stack": stack,
    ...headers
  } = { ...others.headers }
  const { event_id, payload, timestamp: time, ...wire } = JSON.parse(content.toString())
  assert.strictEqual(messageId, event_id)
  assert.strictEqual(timestamp, Math.floor(Date.parse(time) / 1000))
  return {
    ...others,
    headers,
    has: [...[first, last, stack].map((value) => typeof value), `${fingerprint}`.replace(/[0-9a-f]/g, "x")],
    exchange: fields.exchange,
    key: fields.routingKey,
    wire: { ...wire, time: time.length, payload: { ...payload, sentAt: 0 } },
    order: Object.keys(JSON.parse(content.toString()))
  }
}

describe.skipIf(url === "")("The raw contestants", () => {
  it.live("send the same frames as the bus", () =>
    Effect.gen(function* () {
      const topology = BenchTopology.plan(url, scenario, randomBytes(5).toString("hex"))
      yield* Effect.acquireRelease(
        Effect.promise(() => BenchTopology.make(topology, scenario)),
        () => Effect.promise(() => BenchTopology.remove(topology))
      )
      const { run, take } = yield* RawClient.open(url)
      const [queue] = topology.queues
      assert.isDefined(queue)
      const tap = `${queue.name}.tap`
      // Receives a copy of every published event and of every retry.
      yield* run((channel) => channel.assertQueue(tap, { exclusive: true }))
      yield* run((channel) => channel.bindQueue(tap, topology.exchange, "#"))
      yield* run((channel) => channel.bindQueue(tap, topology.deadLetterExchange, queue.wait))
      const found = []
      for (const contestant of [rabbitmq, raw, rawMultiple]) {
        const methods = ofEvents(yield* Effect.promise(() => methodsOf(contestant, topology)))
        const messages = [yield* take(tap), yield* take(tap), yield* take(tap)].map(comparable)
        found.push({ methods, messages: messages.toSorted((a, b) => a.exchange.localeCompare(b.exchange)) })
      }
      const [bus, ...others] = found
      assert.deepStrictEqual(others, [bus, bus])
      // One confirm.select, prefetch and consume; three publishes and acknowledgements.
      assert.strictEqual(bus?.methods.length, 9)
    })
  )
})
