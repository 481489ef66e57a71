import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import * as Node from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"
import { timed } from "./support/Wait.ts"

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
  const node = Node.ownNode((port) => {
    authority = new Authority()
    return [
      "listeners.tcp = none",
      `listeners.ssl.1 = 127.0.0.1:${port}`,
      `ssl_options.cacertfile = ${authority.path("ca.pem")}`,
      `ssl_options.certfile = ${authority.path("server.pem")}`,
      `ssl_options.keyfile = ${authority.path("server.key")}`,
      "ssl_options.verify = verify_peer",
      "ssl_options.fail_if_no_peer_cert = false"
    ]
  })
  afterAll(() => rmSync(authority.folder, { recursive: true, force: true }))
})
