import { inspect } from "node:util"
import { AmqpBroker } from "@effect-eventbus/amqp"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import { assert, describe, inject, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger, Redacted } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"
import * as Rig from "./support/Rig.ts"

const endpointOf = (url: string) => {
  const { password, ...endpoint } = AmqpOptions.settings({ url: Redacted.make(url) }).endpoints[0]
  return { ...endpoint, password: Redacted.value(password) }
}

const rangeError = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    assert.instanceOf(error, RangeError)
    return error instanceof Error ? error.message : ""
  }
  return assert.fail("it was taken")
}

const fromEnv = (env: Record<string, string>) => AmqpOptions.config.parse(ConfigProvider.fromEnv({ env }))

describe("AmqpOptions", () => {
  it("has the platform's defaults", () => {
    const { endpoints, forQueue, ...settings } = AmqpOptions.settings({})
    const [{ password, ...endpoint }] = endpoints
    assert.strictEqual(Redacted.value(password), "guest")
    assert.deepStrictEqual(endpoint, {
      protocol: "amqp",
      host: "localhost",
      port: 5672,
      username: "guest",
      vhost: "/"
    })
    assert.deepStrictEqual(forQueue("work"), { queueType: "quorum", topology: "assert" })
    assert.deepStrictEqual(settings, {
      tls: {},
      exchange: "agent_events",
      deadLetterExchange: "agent_events_dlx",
      prefetch: 1,
      connectionTimeout: 10_000,
      heartbeatSeconds: 10,
      channelMax: 65_535,
      frameMax: 131_072,
      publishTimeout: 10_000,
      maxInFlight: 1000,
      maxInFlightBytes: 16 * 1024 * 1024,
      maxBodyBytes: 4 * 1024 * 1024,
      deliveryLimit: 20,
      connectionName: "effect-eventbus",
      topology: "assert"
    })
  })

  it("uses the port of TLS with it", () => {
    assert.strictEqual(AmqpOptions.settings({ tls: {} }).endpoints[0].port, 5671)
    assert.strictEqual(AmqpOptions.settings({ tls: {} }).endpoints[0].protocol, "amqps")
  })

  describe("URLs", () => {
    const local = { protocol: "amqp", host: "h", port: 5672, username: "guest", vhost: "/", password: "guest" }
    const cases: ReadonlyArray<readonly [title: string, url: string, expected: Partial<typeof local>]> = [
      ["fill in what is not said", "amqp://h", {}],
      ["may end in a slash", "amqp://h/", {}],
      ["may name everything", "amqp://u:p@h:1234/v", { username: "u", password: "p", port: 1234, vhost: "v" }],
      ["have another default port with TLS", "amqps://h", { protocol: "amqps", port: 5671 }],
      ["may name the virtual host /", "amqp://h/%2F", { vhost: "/" }],
      ["may have a slash in a virtual host", "amqp://h/a%2Fb/c", { vhost: "a/b/c" }],
      [
        "may have anything in a password",
        "amqp://u%40x:p%2F%3A%40%25%C3%A9@h",
        { username: "u@x", password: "p/:@%é" }
      ],
      ["may name an IPv6 address", "amqp://[::1]:5673", { host: "::1", port: 5673 }]
    ]
    for (const [title, url, expected] of cases) {
      it(title, () => assert.deepStrictEqual(endpointOf(url), { ...local, ...expected }))
    }

    it("say how to connect behind their ?, and so for all of several", () => {
      const query = "?heartbeat=30&connection_timeout=5000&channel_max=64&frame_max=8192"
      for (const url of [
        Redacted.make(`amqp://h/v${query}`),
        [Redacted.make("amqp://a"), Redacted.make(`amqp://b${query}`), Redacted.make("amqp://c?heartbeat=30")]
      ]) {
        assert.deepInclude(AmqpOptions.settings({ url, heartbeat: "1 second", connectionTimeout: "1 second" }), {
          heartbeatSeconds: 30,
          connectionTimeout: 5000,
          channelMax: 64,
          frameMax: 8192
        })
      }
    })

    for (const [query, named] of [
      ["?hartbeet=30", /heartbeat, connection_timeout.* not "hartbeet"/],
      ["?verify=verify_peer", /not "verify"/],
      ["?heartbeat=0", /heartbeat.* not 0$/],
      ["?heartbeat=soon", /heartbeat.* not NaN$/],
      ["?heartbeat=", /heartbeat.* not NaN$/],
      ["?heartbeat=10s", /heartbeat.* not NaN$/],
      ["?heartbeat=10&heartbeat=20", /heartbeat is 10 and 20/],
      ["?channel_max=65536", /channel_max.* not 65536$/],
      ["?channel_max=4", /channel_max.* not 4$/],
      ["?frame_max=4095", /frame_max.* not 4095$/],
      ["?connection_timeout=3600001", /connection timeout.* not 3600001$/]
    ] as const) {
      it(`say nothing that is not heeded: ${query}`, () => {
        assert.match(
          rangeError(() => AmqpOptions.settings({ url: Redacted.make(`amqp://h${query}`) })),
          named
        )
      })
    }

    it("do not leave a password out, and give no user's to another", () => {
      for (const url of ["amqp://hush@h", "amqp://hush:@h", "amqp://:hush@h"]) {
        const message = rangeError(() => AmqpOptions.settings({ url: Redacted.make(url) }))
        assert.match(message, /password/)
        assert.notInclude(message, "hush")
      }
      assert.deepInclude(endpointOf("amqp://guest@h"), { username: "guest", password: "guest" })
    })

    it("encrypt where TLS is asked for, or are refused", () => {
      const url = [Redacted.make("amqps://h"), Redacted.make("amqp://u:hush@h")]
      const message = rangeError(() => AmqpOptions.settings({ url, tls: {} }))
      assert.match(message, /amqps:\/\//)
      assert.notInclude(message, "hush")
      assert.strictEqual(
        AmqpOptions.settings({ url: Redacted.make("amqps://h"), tls: {} }).endpoints[0].protocol,
        "amqps"
      )
    })

    it("are shown as host and port", () => {
      const { endpoints } = AmqpOptions.settings({ url: [Redacted.make("amqp://[::1]"), Redacted.make("amqps://h/v")] })
      assert.deepStrictEqual(endpoints.map(AmqpOptions.address), ["[::1]:5672", "h:5671"])
    })

    for (const url of [
      "",
      "h:5672",
      "http://u:hush@h",
      "amqp://",
      "amqp://u:hush@h:70000",
      "amqp://u:hush%@h",
      "amqp://hush%ZZ@h",
      "amqp://h/v#hush",
      "amqp://h/%hush",
      "amqp://u:1234/hush@h",
      "amqp://u:1234?hush@h",
      "amqp://u:1234#hush@h"
    ]) {
      it(`that are none are refused without being shown: ${url}`, () => {
        const message = rangeError(() => AmqpOptions.settings({ url: Redacted.make(url) }))
        assert.match(message, /amqp:\/\/user:password@host:5672\/vhost/)
        assert.notMatch(message, /hush|1234/)
      })
    }
  })

  const refused: ReadonlyArray<readonly [options: AmqpOptions.Options, named: RegExp]> = [
    [{ prefetch: 0 }, /prefetch.* not 0$/],
    [{ prefetch: 65536 }, /prefetch.* not 65536$/],
    [{ prefetch: 1.5 }, /prefetch.* not 1.5$/],
    [{ port: 0 }, /port.* not 0$/],
    [{ port: 70000 }, /port.* not 70000$/],
    [{ host: "" }, /host/],
    [{ host: "h:5673" }, /host/],
    [{ host: "amqp://u:hush@h" }, /^The host is the name or the IP address/],
    [{ host: "h/v" }, /host/],
    [{ host: "h1,h2" }, /host/],
    [{ url: [] }, /URLs is empty$/],
    [{ tls: { cert: "PEM" } }, /a cert without its key/],
    [{ tls: { key: Redacted.make("hush") } }, /a key without its cert/],
    [{ tls: { passphrase: Redacted.make("hush") } }, /a passphrase without the key/],
    [{ exchange: "shop", deadLetterExchange: "shop" }, /"shop" for both$/],
    [{ queues: { "amq.orders": { queueType: "classic" } } }, /"amq.orders"/],
    [{ queues: { "orders ": { topology: "none" } } }, /"orders "/],
    [{ url: Redacted.make("amqp://h:0") }, /port.* not 0$/],
    [{ username: "svc", password: undefined }, /password/],
    [{ exchange: "amq.orders" }, /"amq.orders".*"amq.topic"/],
    [{ exchange: "amq.topic" }, /"amq.topic_dlx".*"amq.direct"/],
    [{ deadLetterExchange: "amq.dead" }, /"amq.dead"/],
    [{ vhost: "v".repeat(256) }, /virtual host/],
    [{ heartbeat: 0 }, /heartbeat.* not 0$/],
    [{ connectionTimeout: "2 hours" }, /connection timeout.* not 7200000$/],
    [{ publishTimeout: Infinity }, /publish timeout.* not Infinity$/],
    [{ maxInFlight: NaN }, /maxInFlight.* not NaN$/],
    [{ maxInFlightBytes: 0 }, /maxInFlightBytes.* not 0$/],
    [{ maxBodyBytes: -1 }, /maxBodyBytes.* not -1$/],
    [{ deliveryLimit: 3 }, /deliveryLimit.* not 3$/],
    [{ exchange: "a b" }, /"a b"/],
    [{ exchange: "x".repeat(51) }, /xxx/],
    [{ exchange: "x".repeat(47) }, /x_dlx"/],
    [{ deadLetterExchange: "" }, /""/]
  ]
  for (const [options, named] of refused) {
    it(`refuses ${inspect(options, { compact: true, breakLength: Infinity, maxStringLength: 20 })} when the layer is made`, () => {
      assert.match(
        rangeError(() => AmqpBroker.layer({ password: Redacted.make("hush"), ...options })),
        named
      )
    })
  }

  it("takes the exchanges that every RabbitMQ has", () => {
    const settings = AmqpOptions.settings({ exchange: "amq.topic", deadLetterExchange: "amq.direct" })
    assert.deepInclude(settings, { exchange: "amq.topic", deadLetterExchange: "amq.direct" })
  })

  it("takes addresses for hosts", () => {
    for (const [host, address] of [
      ["::1", "[::1]:5672"],
      ["[::1]", "[::1]:5672"],
      ["10.0.0.1", "10.0.0.1:5672"],
      ["rabbit_1.internal", "rabbit_1.internal:5672"]
    ] as const) {
      assert.strictEqual(AmqpOptions.address(AmqpOptions.settings({ host }).endpoints[0]), address)
    }
  })

  it("does not show a password or a key", () => {
    const settings = AmqpOptions.settings({
      url: [Redacted.make("amqps://u:hush-1@h")],
      tls: { cert: "c", key: Redacted.make("hush-2"), passphrase: Redacted.make("hush-3") }
    })
    for (const shown of [inspect(settings, { depth: 9, showHidden: true }), JSON.stringify(settings)]) {
      assert.notInclude(shown, "hush")
    }
  })

  describe("configuration", () => {
    it.effect("takes the platform's variables", () =>
      Effect.gen(function* () {
        const options = yield* fromEnv({
          RABBITMQ_HOST: "rabbit.internal",
          RABBITMQ_PORT: "5673",
          RABBITMQ_USER: "u",
          RABBITMQ_PASSWORD: "p",
          RABBITMQ_VHOST: "v",
          RABBITMQ_PREFETCH_COUNT: "7",
          RABBITMQ_CONNECTION_TIMEOUT: "2.5",
          RABBITMQ_HEARTBEAT: "600"
        })
        const { connectionTimeout, endpoints, heartbeatSeconds, prefetch } = AmqpOptions.settings(options)
        const { password, ...endpoint } = endpoints[0]
        assert.deepStrictEqual(endpoint, {
          protocol: "amqp",
          host: "rabbit.internal",
          port: 5673,
          username: "u",
          vhost: "v"
        })
        assert.strictEqual(Redacted.value(password), "p")
        assert.deepStrictEqual(
          { connectionTimeout, heartbeatSeconds, prefetch },
          {
            connectionTimeout: 2500,
            heartbeatSeconds: 600,
            prefetch: 7
          }
        )
      })
    )

    it.effect("prefers RABBITMQ_URL, which may name several", () =>
      Effect.gen(function* () {
        const provider = ConfigProvider.fromUnknown({
          RABBITMQ_URL: "amqp://u:a%2Cb@one, amqps://two:1/v",
          RABBITMQ_HOST: "other"
        })
        const { endpoints } = AmqpOptions.settings(yield* AmqpOptions.config.parse(provider))
        assert.deepStrictEqual(endpoints.map(AmqpOptions.address), ["one:5672", "two:1"])
        assert.strictEqual(Redacted.value(endpoints[0].password), "a,b")
      })
    )

    it.effect("does not care for what RABBITMQ_URL goes before", () =>
      Effect.gen(function* () {
        const options = yield* fromEnv({
          RABBITMQ_URL: "amqp://u:p@h",
          RABBITMQ_HOST: "other:5673",
          // What Kubernetes gives every container beside a service with the name "rabbitmq".
          RABBITMQ_PORT: "tcp://10.96.0.12:5672",
          RABBITMQ_USER: "svc",
          RABBITMQ_VHOST: "v".repeat(256)
        })
        assert.strictEqual(AmqpOptions.address(AmqpOptions.settings(options).endpoints[0]), "h:5672")
      })
    )

    it.effect("without variables is the defaults", () =>
      Effect.gen(function* () {
        const { endpoints } = AmqpOptions.settings(yield* fromEnv({}))
        assert.strictEqual(AmqpOptions.address(endpoints[0]), "localhost:5672")
      })
    )

    for (const [name, value, said] of [
      ["RABBITMQ_PREFETCH_COUNT", "0", "not 0"],
      ["RABBITMQ_PREFETCH_COUNT", "many", "RABBITMQ_PREFETCH_COUNT"],
      ["RABBITMQ_PORT", "0", "RABBITMQ_PORT"],
      ["RABBITMQ_PORT", "tcp://10.96.0.12:5672", "RABBITMQ_URL"],
      ["RABBITMQ_PORT", "5672.5", "RABBITMQ_PORT"],
      ["RABBITMQ_HOST", "h:5673", "host"],
      ["RABBITMQ_USER", "svc", "password"],
      ["RABBITMQ_HEARTBEAT", "0", "not 0"],
      ["RABBITMQ_CONNECTION_TIMEOUT", "-1", "not -1"],
      ["RABBITMQ_CONNECTION_TIMEOUT", "NaN", "RABBITMQ_CONNECTION_TIMEOUT"],
      ["RABBITMQ_URL", "amqp://u:hush@", "amqp://user:password@host"]
    ] as const) {
      it.effect(`answers ${name}=${value} with a ConfigError`, () =>
        Effect.gen(function* () {
          const error = yield* Layer.build(AmqpBroker.layerConfig).pipe(
            Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { [name]: value } }))),
            Effect.flip
          )
          assert.strictEqual(error._tag, "ConfigError")
          assert.include(error.message, said)
          assert.notInclude(inspect(error, { depth: 9 }), "hush")
        })
      )
    }
  })
})

describe.skipIf(inject("rabbitUrl") === null)("Secrets", () => {
  it.live("are in no log, no error and no health of a session in which everything fails", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const listening = Logger.layer([Logger.make((options) => void lines.push(inspect(options, { depth: 9 })))])
      const url = new URL(inject("rabbitUrl") ?? "")
      const { bus, exchange, options, queue, raw } = yield* Rig.make(url.href, "secrets")
      const wrong = new URL(url)
      wrong.password = "hush-wrong"

      yield* Effect.gen(function* () {
        const error = yield* Effect.flip(bus({ url: Redacted.make(wrong.href) }))
        lines.push(error.message, inspect(error, { depth: 9 }), JSON.stringify(error))
        // The first address is not let in, now and whenever the connection is made again.
        const { health, publish, subscribe } = yield* bus({
          url: [Redacted.make(wrong.href), Redacted.make(url.href)],
          publishTimeout: 500
        })
        yield* subscribe(Handler.make(Subscription.make(queue("work"), { patterns: ["ping.*"] }), () => Effect.void))
        const other = yield* raw
        yield* other.run((channel) => channel.deleteQueue(queue("work")))
        yield* eventually(
          "the consumer is back",
          Effect.map(health, (now) => {
            lines.push(inspect(now))
            return now.status === "healthy" && lines.some((line) => line.includes("again"))
          })
        )
        yield* other.run((channel) => channel.deleteExchange(exchange))
        yield* publish(yield* Rig.Ping.event({}), { unroutable: "fail" }).pipe(
          Effect.catch((error) => Effect.sync(() => lines.push(inspect(error, { depth: 9 }))))
        )
        lines.push(inspect(options({ url: Redacted.make(wrong.href) }), { depth: 9 }))
      }).pipe(Effect.scoped, Effect.provide(listening))

      assert.isAbove(lines.length, 5)
      assert.notInclude(lines.join("\n"), "hush")
    })
  )
})
