import { randomUUID } from "node:crypto"
import { userInfo } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Process from "./Process.ts"

const token = randomUUID()

/** The command, and the link that it prints, for as long as the scope is open. */
const console = (args: ReadonlyArray<string>, env: Process.Env = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = Process.start([...args, "--port", "0"], env)
      await server.output("\n")
      const [link = ""] = /http:\S+/.exec(server.said()) ?? []
      return { server, link, base: new URL(link).origin }
    }),
    ({ server }) =>
      Effect.promise(() => {
        server.interrupt()
        return server.ended
      })
  )

const get = (url: string, headers: Record<string, string> = {}) =>
  Effect.promise(() => fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(60_000) }))

describe.concurrent("eventbus console", () => {
  it.live("prints a link that logs one browser in, serves until Ctrl-C, and ends with 0", () =>
    Effect.gen(function* () {
      const { base, link, server } = yield* console(["console", "--memory", "--queue", "billing", "--read-only"])
      assert.match(server.said(), /^The console is at http:\/\/127\.0\.0\.1:\d+\/login\?code=[\w-]{43}\n/)
      assert.strictEqual((yield* get(`${base}/api/session`)).status, 401)
      const login = yield* get(link)
      assert.strictEqual(login.status, 303)
      assert.strictEqual((yield* get(link)).status, 401)
      const [cookie = ""] = (login.headers.get("set-cookie") ?? "").split(";")
      const session = yield* get(`${base}/api/session`, { cookie })
      assert.deepInclude(yield* Effect.promise(() => session.json()), {
        readOnly: true,
        title: "eventbus",
        operator: userInfo().username
      })
      server.interrupt()
      assert.strictEqual((yield* Effect.promise(() => server.ended)).code, 0)
    })
  )

  it.live("demands a token for an address that others can reach, and takes one from the environment", () =>
    Effect.gen(function* () {
      const everywhere = ["console", "--memory", "--host", "0.0.0.0"]
      const refused = yield* Effect.promise(() => Process.start([...everywhere, "--port", "0"]).ended)
      assert.strictEqual(refused.code, 2)
      assert.match(refused.stderr, /EVENTBUS_CONSOLE_TOKEN/)
      const short = yield* Effect.promise(() => Process.start(everywhere, { EVENTBUS_CONSOLE_TOKEN: "short" }).ended)
      assert.strictEqual(short.code, 2)
      const { base } = yield* console(everywhere, { EVENTBUS_CONSOLE_TOKEN: token })
      const session = yield* get(`${base}/api/session`, { authorization: `Bearer ${token}` })
      assert.strictEqual(session.status, 200)
      // Who knows the token need not be who started it.
      assert.deepInclude(yield* Effect.promise(() => session.json()), { operator: null })
    })
  )

  it.live("shows a queue that is named by its dead letters", () =>
    Effect.gen(function* () {
      const { base } = yield* console(["console", "--memory", "--queue", "dlq.billing"], {
        EVENTBUS_CONSOLE_TOKEN: token
      })
      const look = yield* Effect.promise(() =>
        fetch(`${base}/api/queues/billing/look`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}`, "x-eventbus-console": "1", "content-type": "application/json" },
          body: "{}",
          signal: AbortSignal.timeout(60_000)
        })
      )
      // It is known, but not there.
      assert.notInclude(yield* Effect.promise(() => look.text()), "unknown")
      const other = yield* get(`${base}/api/queues/mails`, { authorization: `Bearer ${token}` })
      assert.strictEqual(other.status, 404)
    })
  )

  it.live("is shown by the demo on 600 dead letters of three kinds, with a line for each that was mended", () =>
    Effect.gen(function* () {
      const { base, server } = yield* console(["demo", "--console"], { EVENTBUS_CONSOLE_TOKEN: token })
      const post = (path: string, body: unknown) =>
        Effect.promise(async () => {
          const response = await fetch(`${base}/api${path}`, {
            method: "POST",
            headers: {
              authorization: `Bearer ${token}`,
              "x-eventbus-console": "1",
              "content-type": "application/json"
            },
            body: JSON.stringify(body)
          })
          const answer: { id: string; groups: ReadonlyArray<{ reason: string; count: number }> } = JSON.parse(
            await response.text()
          )
          return answer
        })
      const { groups, id } = yield* post("/queues/demo.charges/look", {})
      assert.deepStrictEqual(
        groups.map(({ reason }) => reason),
        ["GatewayDown", "CardExpired", "UnknownCurrency"]
      )
      assert.isAtLeast(
        groups.reduce((sum, { count }) => sum + count, 0),
        600
      )
      yield* post("/queues/demo.charges/replay", { selection: { reason: "GatewayDown" }, snapshot: id })
      yield* Effect.promise(() => server.remark("replay of reason GatewayDown"))
    })
  )
})
