import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import * as Node from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"
import { deadPort } from "./support/TcpServer.ts"

/** An authority made for these tests, and a server's and a client's certificate of it. */
class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), "eventbus-tls-"))

  constructor() {
    const subject = (name: string) => ["-subj", `/CN=${name}`, "-nodes", "-newkey", "rsa:2048", "-sha256"]
    this.openssl("req", "-x509", ...subject("ca"), "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
    for (const [name, alternative] of [
      ["server", "subjectAltName=DNS:rabbit.test"],
      ["client", "subjectAltName=DNS:client.test"]
    ] as const) {
      writeFileSync(join(this.folder, `${name}.ext`), alternative)
      this.openssl("req", ...subject(name), "-keyout", `${name}.key`, "-out", `${name}.csr`)
      const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
      const as = ["-days", "2", "-sha256", "-extfile", `${name}.ext`, "-out", `${name}.pem`]
      this.openssl("x509", "-req", "-in", `${name}.csr`, ...by, ...as)
    }
  }

  path(file: string): string {
    return join(this.folder, file)
  }

  read(file: string): string {
    return readFileSync(this.path(file), "utf8")
  }

  private openssl(...args: ReadonlyArray<string>): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" })
  }
}

// Node makes keys, but no certificates.
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0

describe.skipIf(!Node.isPossible || !hasOpenssl)("TLS", () => {
  let authority: Authority
  let port = 0
  const node = Node.newNode(async () => {
    authority = new Authority()
    port = await Effect.runPromise(deadPort)
    const config = [
      `listeners.ssl.1 = 127.0.0.1:${port}`,
      `ssl_options.cacertfile = ${authority.path("ca.pem")}`,
      `ssl_options.certfile = ${authority.path("server.pem")}`,
      `ssl_options.keyfile = ${authority.path("server.key")}`,
      "ssl_options.verify = verify_peer",
      "ssl_options.fail_if_no_peer_cert = true"
    ]
    return { config }
  })
  afterAll(() => rmSync(authority.folder, { recursive: true, force: true }))

  const tls = (own: AmqpOptions.Tls = {}): AmqpOptions.Options => ({
    url: Redacted.make(`amqps://guest:guest@127.0.0.1:${port}`),
    // What is rejected at once is not tried again for so long, which its test would not wait for.
    connectionTimeout: "1 hour",
    tls: {
      ca: authority.read("ca.pem"),
      cert: authority.read("client.pem"),
      key: Redacted.make(authority.read("client.key")),
      servername: "rabbit.test",
      ...own
    }
  })

  const rejected = Effect.fnUntraced(function* (options: AmqpOptions.Options, detail: RegExp) {
    const error = yield* Effect.flip(Rig.bus(options))
    assert.strictEqual(error.reason._tag, "CertificateRejected", error.message)
    assert.isFalse(error.isRetryable)
    assert.match(error.message, detail)
    assert.include(error.message, `127.0.0.1:${port}`)
    assert.notInclude(inspect(error, { depth: 9 }), "PRIVATE KEY")
  })

  it.live("publishes and consumes where each side trusts the other's certificate", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* Rig.make(node.url, "tls")
      const { publish, subscribe } = yield* bus(tls())
      const handled = yield* Deferred.make<string>()
      const subscription = Subscription.make(queue("work"), { events: [Rig.Ping] })
      yield* subscribe(Handler.make(subscription, (event) => Deferred.succeed(handled, event.eventId)))
      const event = yield* Rig.Ping.event({})
      yield* publish(event, { unroutable: "fail" })
      assert.strictEqual(yield* Deferred.await(handled), event.eventId)
    })
  )

  it.live("rejects at once a certificate of an authority that it does not trust", () =>
    rejected(tls({ ca: undefined }), /self.signed|unable to/)
  )

  it.live("rejects at once a certificate of another host", () =>
    rejected(tls({ servername: "elsewhere.test" }), /rabbit\.test/)
  )

  it.live("takes the host for the name in the certificate, unless it is told another", () =>
    rejected(tls({ servername: undefined }), /127\.0\.0\.1/)
  )

  it.live("fails at once where the server asks for a certificate and gets none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Rig.bus(tls({ cert: undefined, key: undefined })))
      assert.strictEqual(error.reason._tag, "CertificateRejected", error.message)
    })
  )

  it.live("fails at once where the server does not speak TLS at all", () =>
    Effect.gen(function* () {
      const url = Redacted.make(`amqps://guest:guest@127.0.0.1:${node.port}`)
      const error = yield* Effect.flip(Rig.bus({ ...tls(), url }))
      assert.isFalse(error.isRetryable, error.message)
      assert.match(error.message, /No TLS with .*: it does not speak it/)
    })
  )

  it.live("fails at once where the authority's certificate is none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Rig.bus(tls({ ca: "nonsense", key: Redacted.make("hush") })))
      assert.isFalse(error.isRetryable, error.message)
      assert.notInclude(inspect(error, { depth: 9 }), "hush")
    })
  )
})
