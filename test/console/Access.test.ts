import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Access, ConsoleApi } from "@effect-eventbus/console"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { MemoryBroker } from "effect-eventbus"
import * as Site from "./Site.ts"

const header = { [ConsoleApi.header]: "1" }
const authorization = { authorization: `Bearer ${Site.token}` }
const json = { "content-type": "application/json" }

const console = (options?: Parameters<typeof Site.make>[1]) => Site.make(MemoryBroker.layer(), options)

describe("Access to the console", () => {
  it.live("is refused without a token, with another one, and with a cookie of another console", () =>
    Effect.gen(function* () {
      const { ask } = yield* console()
      for (const headers of [
        {},
        { authorization: "Bearer another token that is long enough" },
        { cookie: `eventbus-console-test=${Site.token}` },
        { cookie: "eventbus-console-4680=x" }
      ]) {
        const { body, headers: answered, status } = yield* ask("/api/session", { headers })
        assert.strictEqual(status, 401)
        assert.match(body.message, /Log in/)
        assert.strictEqual(answered.get("cache-control"), "no-store")
      }
      assert.strictEqual((yield* ask("/api/session", { headers: authorization })).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("is traded for a cookie by a code that works once, and by the token", () =>
    Effect.gen(function* () {
      const { ask } = yield* console()
      const own = Access.token({ name: 4680, token: Redacted.make(Site.token) })
      const { ask: other } = yield* console({ access: own, prefix: "/ops/bus" })
      const code = yield* own.login.code
      const first = yield* other(`/ops/bus/login?code=${code}`)
      assert.strictEqual(first.status, 303)
      assert.strictEqual(first.headers.get("location"), "/ops/bus/")
      const cookie = first.headers.get("set-cookie") ?? ""
      assert.match(cookie, /^eventbus-console-4680=[\w-]{43}; Path=\/ops\/bus\/; HttpOnly; SameSite=Strict/)
      assert.notInclude(cookie, Site.token)
      assert.strictEqual((yield* other(`/ops/bus/login?code=${code}`)).status, 401)
      assert.strictEqual((yield* other("/ops/bus/login")).status, 401)
      const session = yield* other("/ops/bus/api/session", { headers: { cookie: cookie.split(";")[0] ?? "" } })
      assert.strictEqual(session.status, 200)

      const login = (token: string, headers: Record<string, string> = header) =>
        ask("/login", { method: "POST", headers: { ...json, ...headers }, body: JSON.stringify({ token }) })
      const byToken = yield* login(Site.token)
      assert.strictEqual(byToken.status, 204)
      assert.match(byToken.headers.get("set-cookie") ?? "", /Path=\/; HttpOnly; SameSite=Strict/)
      assert.strictEqual((yield* login("another token that is long enough")).status, 401)
      assert.strictEqual((yield* login(Site.token, {})).status, 403)
      assert.strictEqual((yield* login(Site.token, { ...header, "sec-fetch-site": "cross-site" })).status, 403)
    }).pipe(Effect.scoped)
  )

  it("needs a token of 32 characters", () => {
    assert.throws(() => Access.token({ name: 1, token: Redacted.make("x".repeat(31)) }), RangeError)
    assert.isTrue(Access.token({ name: 1, token: Redacted.make("x".repeat(32)) }).login.isToken("x".repeat(32)))
  })

  it.live("may restrict an operator to looking, and lets no operator change what is read-only", () =>
    Effect.gen(function* () {
      const access = Access.make(({ headers }) => Effect.succeed({ readOnly: headers["x-role"] !== "operator" }))
      const { ask } = yield* console({ access })
      const replay = (role: string) => ({
        method: "POST",
        headers: { ...header, ...json, "x-role": role },
        body: JSON.stringify({ selection: { all: true } })
      })
      const refused = yield* ask("/api/queues/billing/replay", replay("guest"))
      assert.deepStrictEqual([refused.status, refused.body.reason], [403, "read-only"])
      assert.strictEqual((yield* ask("/api/queues/billing/replay", replay("operator"))).status, 200)
      const { ask: shown } = yield* console({ access, readOnly: true })
      assert.strictEqual((yield* shown("/api/queues/billing/replay", replay("operator"))).status, 403)
      const session = yield* shown("/api/session", { headers: { "x-role": "operator" } })
      assert.isTrue(session.body.readOnly)
    }).pipe(Effect.scoped)
  )

  it.live("is the application's own affair, which may name and restrict the operator", () =>
    Effect.gen(function* () {
      const { ask } = yield* console({
        access: Access.make(({ headers }) =>
          Effect.succeed(headers["x-user"] === undefined ? undefined : { name: headers["x-user"], readOnly: true })
        )
      })
      assert.strictEqual((yield* ask("/api/session")).status, 401)
      const { body } = yield* ask("/api/session", { headers: { "x-user": "ada" } })
      assert.deepInclude(body, { operator: "ada", readOnly: true })
      // The page asks for a token only where there is one.
      assert.strictEqual(
        (yield* ask("/login", { method: "POST", headers: { ...header, ...json }, body: "{}" })).status,
        404
      )
    }).pipe(Effect.scoped)
  )

  it.live("is refused by another name than its own, before all else", () =>
    Effect.gen(function* () {
      const { ask } = yield* console()
      for (const path of ["/", "/api/session", "/login?code=1", "/assets/x.js"]) {
        const { status } = yield* ask(path, { headers: { ...authorization, host: "rebound.example:4680" } })
        assert.strictEqual(status, 421, path)
      }
      const { ask: named } = yield* console({ hosts: ["bus.example"] })
      assert.strictEqual(
        (yield* named("/api/session", { headers: { ...authorization, host: "BUS.example:80" } })).status,
        200
      )
      for (const host of ["", "bus.example.evil.example", "evil.example/bus.example", "bus.example:80:80"]) {
        assert.strictEqual((yield* named("/api/session", { headers: { ...authorization, host } })).status, 421, host)
      }
      assert.strictEqual((yield* named("/api/session", { headers: authorization })).status, 421)
    }).pipe(Effect.scoped)
  )

  it.live("is refused to pages of other sites, which can send no header of their own", () =>
    Effect.gen(function* () {
      const { ask } = yield* console()
      const look = (headers: Record<string, string>) =>
        ask("/api/queues/billing/replay", {
          method: "POST",
          headers: { ...authorization, ...json, ...headers },
          body: JSON.stringify({ selection: { all: true } })
        })
      assert.strictEqual((yield* look({})).body.reason, "no-header")
      for (const site of ["cross-site", "same-site", "none"]) {
        assert.strictEqual((yield* look({ ...header, "sec-fetch-site": site })).body.reason, "cross-site")
      }
      assert.strictEqual((yield* look({ ...header, "sec-fetch-site": "same-origin" })).status, 200)
      const read = (site: string) => ask("/api/session", { headers: { ...authorization, "sec-fetch-site": site } })
      assert.strictEqual((yield* read("cross-site")).status, 403)
      // An address that someone typed.
      assert.strictEqual((yield* read("none")).status, 200)
      // A form can send no JSON, and no other site is asked whether it may.
      const form = { ...header, "content-type": "application/x-www-form-urlencoded" }
      assert.isAtLeast((yield* look(form)).status, 400)
      const asked = yield* ask("/api/queues/billing/replay", {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", "access-control-request-method": "POST" }
      })
      for (const answer of [asked, yield* read("same-origin")]) {
        assert.isNull(answer.headers.get("access-control-allow-origin"))
      }
    }).pipe(Effect.scoped)
  )

  it("changes something by all but these requests", () => {
    const groups = Object.values(ConsoleApi.ConsoleApi.groups)
    const endpoints = groups.flatMap((group) => Object.values(group.endpoints))
    const harmless = endpoints.filter(
      ({ annotations, method }) => method !== "GET" && Context.get(annotations, ConsoleApi.Changes) === false
    )
    assert.sameMembers(
      harmless.map(({ identifier }) => identifier),
      ["look", "checkEdit", "checkEditAll", "checkImport"]
    )
    const changing = endpoints.filter(({ method }) => method !== "GET").length - harmless.length
    assert.strictEqual(changing, 11)
    assert.isTrue(endpoints.every(({ annotations }) => Context.get(annotations, ConsoleApi.Changes) !== true))
  })

  it.live("changes nothing where it is read-only, but looks", () =>
    Effect.gen(function* () {
      const site = yield* console({ readOnly: true })
      yield* Site.fail(site, 3)
      const { id } = yield* Site.look(site)
      const selection = { all: true }
      for (const [path, body] of [
        ["/queues/billing/replay", { selection }],
        ["/queues/billing/discard", { selection, snapshot: id }],
        ["/queues/billing/edit", { snapshot: id, letter: "x", payload: "{}" }],
        ["/queues/billing/edit-all", { selection, snapshot: id, changes: [{ _tag: "Remove", pointer: "/n" }] }],
        ["/queues/billing/import", { ndjson: "{}" }],
        ["/queues/billing/pause", {}],
        ["/queues/billing/resume", {}],
        ["/outbox/requeue", { all: true }],
        ["/schedule/x/cancel", {}],
        ["/jobs/x/stop", {}],
        ["/jobs/x/undo", {}]
      ] as const) {
        const { body: refused, status } = yield* site.post(path, body)
        assert.deepStrictEqual([status, refused.reason], [403, "read-only"], path)
      }
      assert.strictEqual(yield* Site.deadLetters(site.bus), 3)
      assert.strictEqual((yield* site.get("/session")).body.readOnly, true)
    }).pipe(Effect.scoped)
  )

  it.live("shows no body where they are hidden, finds none by its text, and lets none out", () =>
    Effect.gen(function* () {
      const site = yield* console({ bodies: "hide" })
      yield* Site.fail(site, 3)
      const { id } = yield* Site.look(site)
      const page = yield* site.get(`/snapshots/${id}/dead-letters`)
      const letter = yield* site.get(`/snapshots/${id}/dead-letter?letter=${page.body.items[0].id}`)
      assert.strictEqual(letter.body.body._tag, "Hidden")
      assert.notInclude(page.text + letter.text, "hush")
      assert.strictEqual((yield* site.get(`/snapshots/${id}/dead-letters?text=hush`)).body.matching, 0)
      assert.strictEqual((yield* site.get(`/snapshots/${id}/dead-letters?text=declined`)).body.matching, 1)
      for (const asked of [
        site.get(`/snapshots/${id}/export`),
        site.post("/queues/billing/edit", { snapshot: id, letter: "x", payload: "{}" }),
        site.post("/queues/billing/check-edit", { snapshot: id, letter: "x", payload: "{}" }),
        site.post("/queues/billing/edit-all", {
          selection: { all: true },
          snapshot: id,
          changes: [{ _tag: "Remove", pointer: "/n" }]
        }),
        site.post("/queues/billing/check-edit-all", {
          selection: { all: true },
          snapshot: id,
          letter: page.body.items[0].id,
          payload: "{}"
        })
      ]) {
        assert.strictEqual((yield* asked).body.reason, "bodies-hidden")
      }
      const { body: discarded } = yield* site.post("/queues/billing/discard", {
        selection: { ids: [page.body.items[2].id] },
        snapshot: id
      })
      yield* site.ended(discarded.id)
      assert.strictEqual((yield* site.get(`/jobs/${discarded.id}/kept`)).body.reason, "bodies-hidden")
      // What may not be searched selects nothing, either.
      const none = yield* site.post("/queues/billing/replay", { selection: { text: "hush" }, snapshot: id })
      assert.deepStrictEqual([none.status, none.body.message], [422, "The look has no such dead letter"])
      assert.strictEqual((yield* site.post("/queues/billing/replay", { selection: { text: "hush" } })).status, 422)
    }).pipe(Effect.scoped)
  )

  it.live("shows bodies as the application wants them, and nowhere as they are", () =>
    Effect.gen(function* () {
      const site = yield* console({
        bodies: (letter) => {
          const { fault } = letter.envelope
          const body = new TextEncoder().encode('{"payload":{"secret":"***"}}')
          return { ...letter, envelope: { ...letter.envelope, body, fault: fault && { ...fault, message: "***" } } }
        }
      })
      yield* Site.fail(site, 1)
      const { id } = yield* Site.look(site)
      const page = yield* site.get(`/snapshots/${id}/dead-letters`)
      const letter = yield* site.get(`/snapshots/${id}/dead-letter?letter=${page.body.items[0].id}`)
      assert.include(letter.text, "***")
      assert.notInclude(letter.text, "hush")
      // Neither have the rows and the groups what it leaves out.
      assert.deepInclude(page.body.items[0], { message: "***", reason: "CardDeclined" })
      const { body: snapshot } = yield* site.get(`/snapshots/${id}`)
      assert.strictEqual(snapshot.groups[0].sample.message, "***")
      assert.strictEqual((yield* site.get(`/snapshots/${id}/export`)).status, 403)
      const all = { selection: { all: true }, snapshot: id, letter: page.body.items[0].id, payload: "{}", changes: [] }
      for (const path of ["edit-all", "check-edit-all"]) {
        assert.strictEqual((yield* site.post(`/queues/billing/${path}`, all)).body.reason, "bodies-hidden")
      }
      assert.strictEqual((yield* site.get(`/snapshots/${id}/dead-letters?text=hush`)).body.matching, 0)
    }).pipe(Effect.scoped)
  )
})

describe("The page of the console", () => {
  const root = join(mkdtempSync(join(tmpdir(), "console-")), "ui")
  mkdirSync(join(root, "assets"), { recursive: true })
  writeFileSync(join(root, "index.html"), "<!doctype html><html><head><title>Console</title></head></html>")
  writeFileSync(join(root, "assets", "main.js"), "globalThis.isThere = true")
  writeFileSync(join(root, "..", "secret.txt"), "hush")
  const mounted = { prefix: "/ops/bus", page: root } as const

  it.live("finds its files below any path, also by a deep link", () =>
    Effect.gen(function* () {
      const { ask } = yield* console(mounted)
      for (const path of ["", "/", "/queues/demo.tasks/dead-letters/a%2Fb", "/jobs"]) {
        const { headers, status, text } = yield* ask(`/ops/bus${path}`, { headers: { accept: "text/html" } })
        assert.strictEqual(status, 200, path)
        assert.match(text, /<head><base href="\/ops\/bus\/">/)
        assert.match(headers.get("content-type") ?? "", /^text\/html/)
        assert.strictEqual(headers.get("cache-control"), "no-store")
        const policy = headers.get("content-security-policy") ?? ""
        for (const part of [
          "default-src 'none'",
          "script-src 'self'",
          "frame-ancestors 'none'",
          "trusted-types 'none'"
        ]) {
          assert.include(policy, part)
        }
        assert.strictEqual(headers.get("referrer-policy"), "no-referrer")
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
      }
      const script = yield* ask("/ops/bus/assets/main.js")
      assert.strictEqual(script.text, "globalThis.isThere = true")
      assert.match(script.headers.get("content-type") ?? "", /^text\/javascript/)
      assert.match(script.headers.get("cache-control") ?? "", /immutable/)
      assert.strictEqual((yield* ask("/elsewhere")).status, 404)
    }).pipe(
      Effect.scoped,
      Effect.ensuring(Effect.sync(() => rmSync(join(root, ".."), { recursive: true, force: true })))
    )
  )

  it.live("serves no file outside of its folder", () =>
    Effect.gen(function* () {
      const folder = join(mkdtempSync(join(tmpdir(), "console-")), "ui")
      mkdirSync(join(folder, "assets"), { recursive: true })
      writeFileSync(join(folder, "index.html"), "<head></head>")
      writeFileSync(join(folder, "..", "secret.txt"), "hush")
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(join(folder, ".."), { recursive: true, force: true })))
      const { ask } = yield* console({ page: folder })
      for (const path of [
        // A client resolves these itself, and asks for a page.
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/..%5c..%5csecret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/assets/missing.js",
        "/api/missing",
        "/login/more"
      ]) {
        const { status, text } = yield* ask(path)
        assert.notInclude(text, "hush", path)
        assert.notInclude(text, "root:", path)
        if (!/^\/(\/|assets\/%2e)/.test(path)) assert.strictEqual(status, 404, path)
      }
    }).pipe(Effect.scoped)
  )
})
