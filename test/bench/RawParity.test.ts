import { randomBytes } from "node:crypto"
import { assert, describe, inject, it } from "@effect/vitest"
import type { GetMessage } from "amqplib"
import { Effect } from "effect"
import * as Place from "../../packages/bench/src/BenchTopology.ts"
import type { Contestant, Stage } from "../../packages/bench/src/Contestant.ts"
import { rabbitmq } from "../../packages/bench/src/contestants/EventBus.ts"
import { raw, rawMultiple } from "../../packages/bench/src/contestants/Raw.ts"
import * as Order from "../../packages/bench/src/SampleEvent.ts"
import { all } from "../../packages/bench/src/Scenario.ts"
import * as RawClient from "../amqp/support/RawClient.ts"
import { FrameReader } from "../lab/proxy/Frame.ts"
import { TcpProxy } from "../lab/proxy/TcpProxy.ts"

const url = inject("rabbitUrl") ?? ""
const scenario = { ...all[0]!, queueType: "classic" as const, work: "both" as const, prefetch: 7 }

const cancel = (60 << 16) | 30

/** `basic` and `confirm`: what is left of the frames is how the two come to their queues, and how they go. */
const isOfInterest = (method: number): boolean => (method >> 16 === 60 || method >> 16 === 85) && method !== cancel

/** The methods that a contestant sends as it publishes two orders and handles them, the first at its second attempt. */
const methodsOf = async (contestant: Contestant, place: Place.Place): Promise<ReadonlyArray<string>> => {
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
    place: { ...Place.plan(proxied, scenario, place.exchange.slice(6)) },
    next: () => {
      const i = number++
      return { payload: Order.payloads(100)(i), routingKey: Order.routingKey(scenario, i) }
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

/** A message without what no two messages share. */
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

describe.skipIf(url === "")("The raw twins", () => {
  it.live("send and settle what the bus does, frame by frame", () =>
    Effect.gen(function* () {
      const place = Place.plan(url, scenario, randomBytes(5).toString("hex"))
      yield* Effect.acquireRelease(
        Effect.promise(() => Place.make(place, scenario)),
        () => Effect.promise(() => Place.remove(place))
      )
      const { run, take } = yield* RawClient.open(url)
      const [queue] = place.queues
      assert.isDefined(queue)
      const tap = `${queue.name}.tap`
      // It sees what is published, and what is sent to wait.
      yield* run((channel) => channel.assertQueue(tap, { exclusive: true }))
      yield* run((channel) => channel.bindQueue(tap, place.exchange, "#"))
      yield* run((channel) => channel.bindQueue(tap, place.deadLetterExchange, queue.wait))
      const found = []
      for (const contestant of [rabbitmq, raw, rawMultiple]) {
        const methods = yield* Effect.promise(() => methodsOf(contestant, place))
        const messages = [yield* take(tap), yield* take(tap), yield* take(tap)].map(comparable)
        found.push({ methods, messages: messages.toSorted((a, b) => a.exchange.localeCompare(b.exchange)) })
      }
      const [bus, ...twins] = found
      assert.deepStrictEqual(twins, [bus, bus])
      // One confirm.select, prefetch and consume; three publishes and acknowledgements.
      assert.strictEqual(bus?.methods.length, 9)
    })
  )
})
