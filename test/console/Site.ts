import { Access, Console, ConsoleApi } from "@effect-eventbus/console"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted, References, Schema, type Scope } from "effect"
import {
  type Broker,
  type Envelope,
  EventBus,
  EventType,
  FailurePolicy,
  Fault,
  Handler,
  Subscription
} from "effect-eventbus"
import { HttpRouter } from "effect/http"
import { eventually } from "../support/eventually.ts"

export const token = "a token that is long enough for all"

/** The answer to a request; `body` is its JSON, where it is some. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it expects
  readonly body: any
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A console on a broker, as an application mounts it. */
export const make = Effect.fnUntraced(function* (
  broker: Layer.Layer<Broker.Broker, unknown>,
  options: Partial<Console.Options> = {},
  /** The console's own clock or loggers. */
  own: Context.Context<never> = Context.empty()
) {
  const context = yield* Layer.build(Layer.provideMerge(EventBus.layer, broker))
  const bus = Context.get(context, EventBus.EventBus)
  const access = Access.token({ name: "test", token: Redacted.make(token) })
  const { dispose, handler } = HttpRouter.toWebHandler(
    Console.layer({ access, queues: ["billing"], ...options }).pipe(
      Layer.provide(Layer.succeedContext(Context.merge(context, own))),
      Layer.provide(NodeHttpServer.layerHttpServices)
    ),
    { disableLogger: true }
  )
  yield* Effect.addFinalizer(() => Effect.promise(dispose))
  const prefix = options.prefix ?? ""
  const fetch = (path: string, init: RequestInit & { readonly headers?: Record<string, string> } = {}) =>
    Effect.promise(() =>
      handler(
        new Request(`http://localhost${path}`, {
          redirect: "manual",
          ...init,
          headers: { host: "localhost", ...init.headers }
        }),
        own
      )
    )
  const ask = (path: string, init?: Parameters<typeof fetch>[1]): Effect.Effect<Answer> =>
    Effect.flatMap(fetch(path, init), (response) =>
      Effect.map(
        Effect.promise(() => response.text()),
        (text) => ({ status: response.status, headers: response.headers, text, body: parsed(text) })
      )
    )
  const authorization = { authorization: `Bearer ${token}` }
  const get = (path: string) => ask(`${prefix}/api${path}`, { headers: authorization })
  const post = (path: string, body: unknown = {}) =>
    ask(`${prefix}/api${path}`, {
      method: "POST",
      headers: { ...authorization, [ConsoleApi.header]: "1", "content-type": "application/json" },
      body: JSON.stringify(body)
    })
  /** The job, when it has ended. */
  const ended = Effect.fnUntraced(function* (id: string) {
    let job = yield* get(`/jobs/${id}`)
    yield* eventually(
      "the job ends",
      Effect.map(get(`/jobs/${id}`), (latest) => {
        job = latest
        return job.body.state !== "running"
      }),
      { atMost: "60 seconds", state: () => job.text }
    )
    return job.body
  })
  return { bus, access, ask, fetch, get, post, ended }
})

export type Site = Effect.Success<ReturnType<typeof make>>

class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", {}) {
  override get message(): string {
    return "the card was declined"
  }
}
class NoAccount extends Schema.TaggedError<NoAccount>()("NoAccount", {}) {}

export const Paid = EventType.untyped("invoice.paid")
const billing = (name: string) => Subscription.make(name, { events: [Paid], concurrency: 100 })

/** Makes dead letters of a queue: each third of another reason than the others. */
export const fail = Effect.fnUntraced(function* (
  { bus }: Site,
  count: number,
  queue = "billing",
  traceId?: string
): Effect.fn.Return<void, unknown> {
  const failing = Handler.make(billing(queue), ({ payload }) =>
    Effect.fail(Number(payload["n"]) % 3 === 0 ? new CardDeclined() : new NoAccount())
  ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
  const before = yield* deadLetters(bus, queue)
  yield* Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.provideService(bus.subscribe(failing), References.MinimumLogLevel, "Error")
      for (let from = 0; from < count; from += 500) {
        const numbers = Array.from({ length: Math.min(500, count - from) }, (_, i) => from + i)
        yield* bus.publishAll(
          yield* Effect.forEach(numbers, (n) =>
            Paid.event({ n, secret: "hush" }, traceId === undefined ? {} : { traceId })
          )
        )
      }
      yield* eventually(
        "all became dead letters",
        Effect.map(deadLetters(bus, queue), (now) => now === before + count),
        { atMost: "60 seconds" }
      )
    })
  )
})

/** Makes dead letters of the same failure with these bodies, and keys of an ordered queue, without a handler. */
export const bury = Effect.fnUntraced(function* (
  { bus }: Site,
  bodies: ReadonlyArray<Uint8Array>,
  queue = "billing",
  keys: ReadonlyArray<string> = []
): Effect.fn.Return<ReadonlyArray<string>, unknown> {
  yield* Effect.scoped(bus.declare(billing(queue)))
  const letters = bodies.map((body, n) => {
    const id = `letter-${n}-${crypto.randomUUID()}`
    return { id, type: "invoice.paid", envelope: { ...empty, id, body, key: keys[n] } }
  })
  yield* Effect.forEach(letters, (letter) => bus.deadLetters(queue).put(letter), { discard: true })
  return letters.map(({ id }) => id)
})

const empty: Envelope.Envelope = {
  id: undefined,
  type: "invoice.paid",
  version: 1,
  routingKey: "invoice.paid.normal",
  body: new Uint8Array(),
  timestamp: 0,
  source: undefined,
  traceId: undefined,
  priority: "normal",
  ttl: undefined,
  persistent: true,
  traceparent: undefined,
  round: 0,
  attempt: 1,
  origin: undefined,
  fault: Fault.make({
    reason: "NoAccount",
    message: "there is no account".padEnd(300, "!"),
    stack: undefined,
    attempts: 1,
    now: 0,
    type: "invoice.paid"
  })
}

/** The number of dead letters of a queue. */
export const deadLetters = (bus: EventBus.EventBus["Service"], queue = "billing") =>
  Effect.map(bus.queueInfo(`dlq.${queue}`), Option.match({ onNone: () => 0, onSome: ({ messages }) => messages }))

/** Handles the events of a queue, and counts them. */
export const handle = Effect.fnUntraced(function* (
  { bus }: Site,
  queue = "billing"
): Effect.fn.Return<{ readonly count: () => number }, unknown, Scope.Scope> {
  let count = 0
  yield* bus.subscribe(Handler.make(billing(queue), () => Effect.sync(() => count++)))
  return { count: () => count }
})

/** Looks, and returns the snapshot. */
export const look = Effect.fnUntraced(function* (site: Site, queue = "billing", again = true) {
  const { body, status, text } = yield* site.post(`/queues/${encodeURIComponent(queue)}/look`, { again })
  assert.strictEqual(status, 200, text)
  return body
})
