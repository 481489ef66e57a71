import { inspect } from "node:util"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import type { Scope } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import type { BrokerError } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"
import * as Handshake from "./support/Handshake.ts"
import * as Lines from "./support/Lines.ts"
import * as Node from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"
import { deadPort, server } from "./support/TcpServer.ts"

const secret = "hush-hush/:@"

/** The time after which a start is tried again that must fail at once: no test would wait for it. */
const patient = { connectionTimeout: "1 hour" } as const

/** Fails as it should, and without the secret in anything that is printed. */
const fails = Effect.fnUntraced(function* <A, E extends BrokerError.BrokerError | BrokerError.SubscribeError>(
  effect: Effect.Effect<A, E, Scope.Scope>,
  tag: E["reason"]["_tag"]
): Effect.fn.Return<E["reason"], E | A, Scope.Scope> {
  const error = yield* Effect.flip(effect)
  assert.strictEqual(error.reason._tag, tag, error.message)
  for (const shown of [error.message, String(error), inspect(error, { depth: 9 }), JSON.stringify(error)]) {
    assert.notInclude(shown, "hush")
  }
  return error.reason
})

const handler = (queue: string, options: Subscription.Options = {}) =>
  Handler.make(Subscription.make(queue, { patterns: ["ping.*"], ...options }), () => Effect.void)

// They do nothing but wait.
describe.concurrent("Start, without an answer", () => {
  const at = (port: number, options: AmqpOptions.Options = {}): AmqpOptions.Options => ({
    host: "127.0.0.1",
    port,
    password: Redacted.make(secret),
    connectionTimeout: 2000,
    ...options
  })

  it.live("keeps trying until the connection timeout, and names host and port then", () =>
    Effect.gen(function* () {
      const port = yield* deadPort
      const reason = yield* fails(Rig.bus(at(port)), "ConnectionFailed")
      assert.strictEqual(reason._tag === "ConnectionFailed" && reason.address, `127.0.0.1:${port}`)
      assert.match(reason.message, /ECONNREFUSED.* for 2000 ms/)
    })
  )

  it.live("waits between its attempts", () =>
    Effect.gen(function* () {
      let attempts = 0
      const port = yield* server((socket) => {
        attempts++
        socket.destroy()
      })
      yield* fails(Rig.bus(at(port, { connectionTimeout: 3000 })), "ConnectionFailed")
      assert.isAtLeast(attempts, 2)
      assert.isAtMost(attempts, 10)
    })
  )

  it.live("fails within the timeout where a server accepts and says nothing", () =>
    Effect.gen(function* () {
      const port = yield* server(() => {})
      yield* fails(Rig.bus(at(port)), "ConnectionFailed")
    })
  )

  it.live("fails within the timeout where the server speaks another protocol", () =>
    Effect.gen(function* () {
      const port = yield* server((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
      yield* fails(Rig.bus(at(port)), "ConnectionFailed")
    })
  )

  it.live("says what the broker says, and waits for what may be over soon", () =>
    Effect.gen(function* () {
      for (const [code, text] of [
        [541, "INTERNAL_ERROR - access to vhost '/' refused for user 'guest': vhost '/' is down"],
        [530, "NOT_ALLOWED - connection refused: node connection limit (1000) is reached"],
        [320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"]
      ] as const) {
        const port = yield* Handshake.refusing(code, text)
        const reason = yield* fails(Rig.bus(at(port, { connectionTimeout: 5000 })), "ConnectionFailed")
        assert.include(reason.message, `${code} ${text}, for 5000 ms`)
      }
    })
  )

  it.live("names every address it has tried", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* deadPort, yield* deadPort]
      const url = [one, two].map((port) => Redacted.make(`amqp://u:${encodeURIComponent(secret)}@127.0.0.1:${port}`))
      const reason = yield* fails(Rig.bus({ url, connectionTimeout: 2000 }), "ConnectionFailed")
      assert.include(reason.message, `127.0.0.1:${one}, 127.0.0.1:${two}`)
    })
  )

  it.live("is over at once when it is interrupted", () =>
    Effect.gen(function* () {
      const port = yield* server(() => {})
      const starting = yield* Effect.forkChild(Rig.bus(at(port, patient)), { startImmediately: true })
      yield* Fiber.interrupt(starting)
    })
  )
})

describe.skipIf(!Node.isPossible)("Start", () => {
  const node = Node.ownNode()
  const rig = () =>
    Effect.map(Rig.make(node.url, "start"), (rig) => ({
      ...rig,
      bus: (own: AmqpOptions.Options = {}) => rig.bus({ ...patient, ...own })
    }))

  it.live("fails at once on a wrong password, and names the user", () =>
    Effect.gen(function* () {
      const reason = yield* fails(
        Rig.bus({ ...patient, host: "127.0.0.1", port: node.port, password: Redacted.make(secret) }),
        "AuthenticationFailed"
      )
      assert.include(reason.message, '"guest"')
    })
  )

  it.live("fails at once on a virtual host that does not exist", () =>
    Effect.gen(function* () {
      const options = { ...patient, host: "127.0.0.1", port: node.port }
      const reason = yield* fails(Rig.bus({ ...options, vhost: "nowhere" }), "VhostNotFound")
      assert.include(reason.message, '"nowhere"')
      // RabbitMQ's sentence about it is longer than AMQP allows, and comes without its end.
      yield* fails(Rig.bus({ ...options, vhost: "n".repeat(250) }), "VhostNotFound")
    })
  )

  it.live("fails at once where RabbitMQ allows too few channels", () =>
    Effect.gen(function* () {
      yield* node.ctl("eval", "application:set_env(rabbit, channel_max, 4).")
      const reason = yield* fails(Rig.bus({ ...patient, host: "127.0.0.1", port: node.port }), "TooFewChannels").pipe(
        Effect.ensuring(Effect.orDie(node.ctl("eval", "application:set_env(rabbit, channel_max, 2047).")))
      )
      assert.match(reason.message, /allows a connection 4 channels, and the bus needs 5: raise channel_max/)
    })
  )

  it.live("fails at once where a permission is missing, and says which", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue } = yield* rig()
      yield* node.ctl("add_user", exchange, secret)
      const limited = { url: undefined, host: "127.0.0.1", port: node.port, username: exchange }
      const open = Effect.suspend(() => bus({ ...limited, password: Redacted.make(secret) }))

      yield* node.ctl("set_permissions", exchange, "^own", ".*", ".*")
      const denied = yield* fails(open, "PermissionDenied")
      assert.include(denied.message, `exchange '${exchange}'`)

      yield* node.ctl("set_permissions", exchange, `^${exchange}(_dlx)?$`, ".*", ".*")
      const subscribed = yield* fails(
        Effect.flatMap(open, (bus) => bus.subscribe(handler(queue("work")))),
        "PermissionDenied"
      )
      assert.include(subscribed.message, `queue 'dlq.${queue("work")}'`)

      yield* node.ctl("clear_permissions", exchange)
      const refused = yield* fails(open, "PermissionDenied")
      assert.include(refused.message, `access to vhost '/' refused for user '${exchange}'`)
    })
  )

  it.live("waits for room where a limit of connections is reached, and says so when there is none", () =>
    Effect.gen(function* () {
      const vhost = "full"
      yield* node.ctl("add_vhost", vhost)
      yield* node.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
      yield* node.ctl("set_vhost_limits", "-p", vhost, '{"max-connections": 1}')
      const options = { host: "127.0.0.1", port: node.port, vhost }
      // A bus has two.
      const reason = yield* fails(Rig.bus({ ...options, connectionTimeout: "5 seconds" }), "ConnectionFailed")
      assert.match(reason.message, /530 NOT_ALLOWED.*connection limit \(1\) is reached/)

      const starting = yield* Effect.forkChild(Rig.bus({ ...options, ...patient }), {
        startImmediately: true
      })
      yield* node.ctl("clear_vhost_limits", "-p", vhost)
      assert.strictEqual((yield* (yield* Fiber.join(starting)).health).status, "healthy")
    })
  )

  it.live("finds a virtual host whatever its name is", () =>
    Effect.gen(function* () {
      for (const vhost of ["a%2Fb", "a/b", "ü ?"]) {
        yield* node.ctl("add_vhost", vhost)
        yield* node.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
        const { health } = yield* Rig.bus({ host: "127.0.0.1", port: node.port, vhost })
        assert.strictEqual((yield* health).status, "healthy", vhost)
      }
    })
  )

  it.live("fails at once where a queue was declared with other arguments, and changes nothing", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig()
      const other = yield* raw
      const name = queue("work")
      const before = { "x-queue-type": "quorum", "x-message-ttl": 1234 }
      yield* other.run((channel) => channel.assertQueue(name, { arguments: before }))
      const subscribing = Effect.flatMap(bus(), (bus) =>
        bus.subscribe(handler(name, { messageTtl: "1 minute", deadLetter: false }))
      )
      const reason = yield* fails(subscribing, "TopologyMismatch")
      assert.strictEqual(reason._tag === "TopologyMismatch" && reason.name, name)
      assert.match(reason._tag === "TopologyMismatch" ? reason.argument : "", /^x-(message-ttl|delivery-limit)$/)
      // Declaring it as it was declared before is allowed only if it still is what it was.
      yield* other.run((channel) => channel.assertQueue(name, { arguments: before }))
      assert.include(yield* node.ctl("list_queues", "name", "arguments"), "1234")
    })
  )

  it.live("fails at once where the exchange is of another type", () =>
    Effect.gen(function* () {
      const { bus, exchange, raw } = yield* rig()
      yield* Effect.flatMap(raw, ({ run }) => run((channel) => channel.assertExchange(exchange, "fanout")))
      const reason = yield* fails(bus(), "TopologyMismatch")
      assert.strictEqual(reason._tag === "TopologyMismatch" && reason.argument, "type")
    })
  )

  it.live("looks only, where it is told to verify, and says what is missing", () =>
    Effect.gen(function* () {
      const { bus, deadLetterExchange, exchange, queue, raw } = yield* rig()
      const other = yield* raw
      const missing = yield* fails(bus({ topology: "verify" }), "NotFound")
      assert.strictEqual(missing._tag === "NotFound" && missing.name, exchange)

      yield* other.run((channel) => channel.assertExchange(exchange, "topic"))
      yield* other.run((channel) => channel.assertExchange(deadLetterExchange, "direct"))
      const name = queue("work")
      for (const absent of [`dlq.${name}`, name]) {
        const subscribing = Effect.flatMap(bus({ topology: "verify" }), (bus) => bus.subscribe(handler(name)))
        const reason = yield* fails(subscribing, "NotFound")
        assert.strictEqual(reason._tag === "NotFound" && reason.name, absent)
        yield* other.run((channel) => channel.assertQueue(absent))
      }
    })
  )

  it.live("fails at once where another client holds the queue for itself", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig()
      const name = queue("work")
      yield* Effect.flatMap(raw, ({ run }) => run((channel) => channel.assertQueue(name, { exclusive: true })))
      const subscribing = Effect.flatMap(bus(), (bus) => bus.subscribe(handler(name)))
      const reason = yield* fails(subscribing, "Refused")
      assert.match(reason.message, /RESOURCE_LOCKED/)
    })
  )

  it.live("says at once that the broker takes no events, and sends it none", () => {
    const { layer, lines } = Lines.collect()
    return Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const { publish, subscribe } = yield* bus()
      yield* subscribe(handler(queue("work")))
      const watermark = (value: string) => node.ctl("set_vm_memory_high_watermark", "absolute", value)
      yield* watermark("1MB")
      yield* Effect.addFinalizer(() => watermark("4GB"))
      yield* eventually(
        "there is an alarm",
        Effect.map(node.ctl("eval", "rabbit_alarm:get_alarms()."), (alarms) => alarms.includes("memory"))
      )
      const late = yield* bus({ publishTimeout: "6 seconds" })
      yield* eventually(
        "it says so",
        Effect.sync(() => lines.some((line) => /takes no publishes.*memory/.test(line)))
      )
      const error = yield* Effect.flip(late.publish(yield* Rig.Ping.event({})))
      assert.strictEqual(error.reason._tag, "Blocked", error.message)

      yield* watermark("4GB")
      yield* eventually(
        "it says that it takes them again",
        Effect.sync(() => lines.some((line) => line.includes("takes publishes again")))
      )
      for (const each of [publish, late.publish]) yield* each(yield* Rig.Ping.event({}), { unroutable: "fail" })
    }).pipe(Effect.provide(layer))
  })

  it.live("takes the next address where one does not answer, or does not let it in", () =>
    Effect.gen(function* () {
      const { bus } = yield* rig()
      const stalling = yield* server(() => {})
      const bad = [yield* deadPort, stalling].map((port) => `amqp://127.0.0.1:${port}`)
      const unknown = `amqp://guest:${encodeURIComponent(secret)}@127.0.0.1:${node.port}`
      const url = [...bad, unknown, node.url].map((url) => Redacted.make(url))
      const { address, status } = yield* Effect.map(
        Effect.flatMap(bus({ url, connectionTimeout: "20 seconds" }), ({ health }) => health),
        ({ details, status }) => ({ address: details["address"], status })
      )
      assert.deepStrictEqual({ address, status }, { address: `127.0.0.1:${node.port}`, status: "healthy" })
    })
  )

  it.live("connects to a broker that comes up in time", () =>
    Effect.gen(function* () {
      yield* node.kill
      const starting = yield* Effect.forkChild(
        Rig.bus({ url: Redacted.make(node.url), exchange: "start-late", ...patient }),
        { startImmediately: true }
      )
      yield* node.restart
      const { health } = yield* Fiber.join(starting)
      assert.strictEqual((yield* health).status, "healthy")
    })
  )
})
