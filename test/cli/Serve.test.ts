import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import * as Node from "../amqp/support/OwnNode.ts"
import { eventually } from "../support/eventually.ts"
import * as Process from "./Process.ts"

/** The command, and where it listens, for as long as the scope is open. */
const serve = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = Process.start(["serve", "--port", "0"], Process.at(url))
      await server.output("\n")
      return server
    }),
    (server) =>
      Effect.promise(() => {
        server.interrupt()
        return server.ended
      })
  ).pipe(
    Effect.map((server) => {
      const [base = ""] = /http:\S+/.exec(server.said()) ?? []
      const get = (path: string) =>
        Effect.promise(async () => {
          const response = await fetch(base + path, { signal: AbortSignal.timeout(60_000) })
          return { code: response.status, type: response.headers.get("content-type"), text: await response.text() }
        })
      return { server, base, get }
    })
  )

const sample = /^([a-z_]+)(\{([a-z_]+="[^"\\\n]*",?)*\})? (-?\d+(\.\d+)?(e[+-]?\d+)?|\+Inf|NaN)$/
const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/

/** The types of the metrics of a text in Prometheus' format, each line of which must be one. */
const typesOf = (text: string): ReadonlyMap<string, string> => {
  const types = new Map<string, string>()
  assert.isTrue(text.endsWith("\n"))
  for (const line of Process.linesOf(text)) {
    const [, kind, name = "", rest = ""] = comment.exec(line) ?? []
    if (kind === "TYPE") {
      assert.isFalse(types.has(name), `twice: ${name}`)
      types.set(name, rest)
    }
    if (kind !== undefined) continue
    const [, series = ""] = sample.exec(line) ?? []
    assert.isTrue(types.has(series) || types.has(series.replace(/_(bucket|sum|count)$/, "")), line)
  }
  return types
}

describe.skipIf(inject("rabbitUrl") === null).concurrent("eventbus serve", () => {
  const url = inject("rabbitUrl") ?? ""

  it.live("says where it listens, is live and ready, and ends with 0", () =>
    Effect.gen(function* () {
      const { get, server } = yield* serve(url)
      assert.match(server.said(), /^Serving \/health\/live, \/health\/ready, \/metrics on http:\/\/127\.0\.0\.1:\d+\n$/)
      assert.strictEqual((yield* get("/health/live")).code, 200)
      const ready = yield* get("/health/ready")
      assert.strictEqual(ready.code, 200)
      assert.deepInclude(JSON.parse(ready.text), { status: "ready", health: "healthy" })
      assert.strictEqual((yield* get("/")).code, 404)
      server.interrupt()
      const { code, stderr } = yield* Effect.promise(() => server.ended)
      assert.deepStrictEqual([code, stderr], [0, ""])
    })
  )

  it.live("tells Prometheus its metrics, each line in Prometheus' format", () =>
    Effect.gen(function* () {
      const { get } = yield* serve(url)
      const { code, text, type } = yield* get("/metrics")
      assert.strictEqual(code, 200)
      assert.strictEqual(type, "text/plain; version=0.0.4; charset=utf-8")
      const types = typesOf(text)
      assert.strictEqual(types.get("eventbus_connections"), "gauge")
      assert.strictEqual(types.get("eventbus_published_total"), "counter")
      assert.strictEqual(types.get("eventbus_confirm_seconds"), "histogram")
      assert.include(text, 'eventbus_connections{role="publish"} 1\n')
    })
  )

  it.live("a port that is taken ends it with 1, and one line that says so", () =>
    Effect.gen(function* () {
      const { base } = yield* serve(url)
      const ended = yield* Effect.promise(() => Process.run(["serve", "--port", new URL(base).port], Process.at(url)))
      Process.assertFailed(ended, 1, "EADDRINUSE")
    })
  )
})

describe.skipIf(!Node.isPossible)("eventbus serve, of a broker that breaks", () => {
  const node = Node.ownNode()

  const becomes = (get: Effect.Success<ReturnType<typeof serve>>["get"], code: number, said: RegExp) =>
    eventually(
      `${code}, and it says ${String(said)}`,
      Effect.map(get("/health/ready"), (ready) => ready.code === code && said.test(ready.text))
    )

  it.live(
    "is not ready while the broker is blocked, although it publishes nothing, nor while it is down",
    () =>
      Effect.gen(function* () {
        const { get } = yield* serve(node.url)
        yield* becomes(get, 200, /"topology":"in place"/)

        yield* node.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
        yield* becomes(get, 503, /"health":"degraded".*"publishing":"blocked: [^"]*memory/)
        assert.strictEqual((yield* get("/health/live")).code, 200)
        yield* node.ctl("set_vm_memory_high_watermark", "absolute", "4GB")
        yield* becomes(get, 200, /"publishing":"connected"/)

        yield* node.kill
        yield* becomes(get, 503, /"health":"unhealthy".*"publishing":"disconnected"/)
        assert.strictEqual((yield* get("/health/live")).code, 200)
        assert.include((yield* get("/metrics")).text, 'eventbus_connections{role="publish"} 0\n')
        yield* node.restart
        yield* becomes(get, 200, /"health":"healthy"/)
      }),
    300_000
  )
})
