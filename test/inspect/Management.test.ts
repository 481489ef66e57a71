import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { AmqpOptions } from "@effect-eventbus/amqp"
import { Management } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option, Redacted } from "effect"

const settings = AmqpOptions.settings({ url: Redacted.make("amqp://me:secret@127.0.0.1/the%2Fonly%20shop") })

/** A management API that answers as the listener does, and its URL. */
const serving = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly url: string; readonly close: () => void }>((resolve) => {
          const server = createServer(listener).listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo
            resolve({ url: `http://127.0.0.1:${port}`, close: () => server.close() })
          })
        })
    ),
    ({ close }) => Effect.sync(close)
  )

const answering = (status: number, body: unknown, requests: Array<string> = []) =>
  serving(({ headers, url }, response) => {
    requests.push(`${url} ${headers.authorization}`)
    response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body))
  })

const basic = (login: string) => `Basic ${Buffer.from(login).toString("base64")}`

const reasonOf = <A>(effect: Effect.Effect<A, { readonly message: string; readonly isRetryable: boolean }>) =>
  Effect.map(Effect.flip(effect), ({ isRetryable, message }) => ({ isRetryable, message }))

describe("Management", () => {
  it.live("reads the bindings of a queue of the virtual host, with the login of the connection", () =>
    Effect.gen(function* () {
      const requests: Array<string> = []
      const bindings = [
        { source: "", routing_key: "billing", extra: 1 },
        { source: "agent_events", routing_key: "invoice.#" }
      ]
      const { url } = yield* answering(200, bindings, requests)
      const management = yield* Management.make(Redacted.make(url), settings)
      assert.deepStrictEqual(yield* management.bindings("a/b"), [{ exchange: "agent_events", key: "invoice.#" }])
      assert.deepStrictEqual(requests, [`/api/queues/the%2Fonly%20shop/a%2Fb/bindings ${basic("me:secret")}`])
    })
  )

  it.live("prefers the login of the URL", () =>
    Effect.gen(function* () {
      const requests: Array<string> = []
      const { url } = yield* answering(200, [{ name: "a", state: "disabled" }], requests)
      const login = url.replace("//", "//you:p%40ss@")
      const management = yield* Management.make(Redacted.make(`${login}/prefix/`), settings)
      assert.deepStrictEqual(yield* management.featureFlags, [{ name: "a", state: "disabled", stability: "stable" }])
      assert.deepStrictEqual(requests, [`/prefix/api/feature-flags ${basic("you:p@ss")}`])
    })
  )

  it.live("tells the memory limits of the nodes that run", () =>
    Effect.gen(function* () {
      const requests: Array<string> = []
      const { url } = yield* answering(200, [{ name: "a", mem_limit: 512_000_000 }, { name: "down" }], requests)
      const management = yield* Management.make(Redacted.make(url), settings)
      assert.deepStrictEqual(yield* management.memory, [{ name: "a", limit: 512_000_000 }])
    })
  )

  it.live("lists the queues of the virtual host, also those that RabbitMQ has not counted yet", () =>
    Effect.gen(function* () {
      const requests: Array<string> = []
      const args = { "x-queue-type": "quorum" }
      const queues = [{ name: "billing", messages_ready: 12, consumers: 1, arguments: args }, { name: "new" }]
      const { url } = yield* answering(200, queues, requests)
      const management = yield* Management.make(Redacted.make(url), settings)
      assert.deepStrictEqual(yield* management.queues, [
        { name: "billing", messages: 12, consumers: 1, arguments: args },
        { name: "new", messages: 0, consumers: 0, arguments: {} }
      ])
      assert.match(requests[0] ?? "", /^\/api\/queues\/the%2Fonly%20shop\?/)
    })
  )

  it.live("lists the queues with a limit, whatever form an empty definition has", () =>
    Effect.gen(function* () {
      const queues = [
        {
          name: "dlq.billing",
          messages_ready: 5,
          message_bytes_ready: 90,
          arguments: { "x-overflow": "reject-publish" },
          effective_policy_definition: { "max-length": 5 }
        },
        { name: "old", arguments: [], effective_policy_definition: null },
        { name: "new", arguments: { "x-max-length": 7 }, effective_policy_definition: [] }
      ]
      const { url } = yield* answering(200, queues)
      const management = yield* Management.make(Redacted.make(url), settings)
      assert.deepStrictEqual(yield* management.limits, [
        { name: "dlq.billing", messages: 5, bytes: 90, maxMessages: 5, maxBytes: undefined, rejects: true },
        { name: "new", messages: 0, bytes: 0, maxMessages: 7, maxBytes: undefined, rejects: false }
      ])
    })
  )

  it.live("takes a queue that does not exist for one without bindings", () =>
    Effect.gen(function* () {
      const { url } = yield* answering(404, { error: "Object Not Found" })
      const management = yield* Management.make(Redacted.make(url), settings)
      assert.deepStrictEqual(yield* management.bindings("gone"), [])
    })
  )

  const refusals: ReadonlyArray<readonly [status: number, body: string, said: RegExp, isRetryable: boolean]> = [
    [401, "{}", /rejects the login of "me"$/, false],
    [
      401,
      '{"error":"not_authorized","reason":"Not management user"}',
      /"me": not_authorized, Not management user$/,
      false
    ],
    [503, "{}", /answered feature-flags with status 503$/, true],
    [500, '{"error":"timeout","reason":["x"]}', /with status 500: timeout$/, true],
    [403, '{"reason":"no access: password=secret"}', /status 403: no access: password=\*\*\*$/, false],
    [403, "{}", /answered feature-flags with status 403$/, false],
    [200, "<html>", /answered feature-flags with an unknown format$/, false]
  ]
  for (const [status, body, said, isRetryable] of refusals) {
    it.live(`says why it fails with status ${status} and ${body}, and whether a retry may help`, () =>
      Effect.gen(function* () {
        const { url } = yield* answering(status, body)
        const management = yield* Management.make(Redacted.make(url), settings)
        const reason = yield* reasonOf(management.featureFlags)
        assert.match(reason.message, said)
        assert.notInclude(reason.message, "secret")
        assert.strictEqual(reason.isRetryable, isRetryable)
      })
    )
  }

  it.live("follows no redirect, which would be given the password", () =>
    Effect.gen(function* () {
      const stolen: Array<string> = []
      const { url: thief } = yield* answering(200, [], stolen)
      const { url } = yield* serving((_, response) => response.writeHead(302, { location: thief }).end())
      const management = yield* Management.make(Redacted.make(url), settings)
      assert.deepInclude(yield* reasonOf(management.featureFlags), { isRetryable: true })
      assert.deepStrictEqual(stolen, [])
    })
  )

  it.effect("is there only where the configuration names it, by an HTTP URL", () =>
    Effect.gen(function* () {
      const from = (env: Record<string, string>) =>
        Effect.provide(Management.fromConfig(settings), ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      const named = (url: string) => from({ RABBITMQ_MANAGEMENT_URL: url })
      assert.isTrue(Option.isNone(yield* from({})))
      assert.isTrue(Option.isSome(yield* named("https://localhost:15671")))
      const error = yield* Effect.flip(named("me:secret@localhost:15672"))
      assert.include(error.message, "RABBITMQ_MANAGEMENT_URL")
      assert.notInclude(error.message, "secret")
      assert.include(error.message, "http://localhost:15672")
    })
  )
})
