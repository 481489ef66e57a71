import { assert, describe, it } from "@effect/vitest"
import { Fault } from "effect-eventbus"
import { assertLinear } from "../support/Linear.ts"

const clean = Fault.withoutCredentials
const fault = (message: string) => Fault.make({ reason: "r", message, attempts: 1, now: 0 })

const escaped = (text: string, quote: string) => text.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`)

describe("Credentials", () => {
  const cases: ReadonlyArray<readonly [text: string, kept: string]> = [
    ["cannot reach amqp://guest:secret@host:5672/vhost", "cannot reach amqp://***@host:5672/vhost"],
    ["amqps://secret@host", "amqps://***@host"],
    ["amqp://user:se/cret@host/v", "amqp://***@host/v"],
    ["amqp://user:se@cret@host", "amqp://***@host"],
    ["amqp://user:%73ecret@host", "amqp://***@host"],
    ["amqp://a:secret@h1,amqp://b:secret@h2", "amqp://***@h2"],
    ["at file:///a/b.ts,amqp://b:secret@h2", "at file://***@h2"],
    ['{"url":"amqp://a:secret@h","to":"me@example.com"}', '{"url":"amqp://***@h","to":"me@example.com"}'],
    ["connect postgres://app:se'c ret@db/x failed, mail me@x.com", "connect postgres://***@db/x failed, mail me@x.com"],
    ["Server=db;User=app;Password=secret;Port=1", "Server=db;User=app;Password=***;Port=1"],
    ["host=db password=secret port=1", "host=db password=*** port=1"],
    ["https://h/?api_key=secret&page=2", "https://h/?api_key=***&page=2"],
    ['{"password":"se\\"cret","id":7}', '{"password":"***","id":7}'],
    ['{"password":12345,"id":7}', '{"password":***,"id":7}'],
    ["{ dbPassword: 'secret', id: 7 }", "{ dbPassword: '***', id: 7 }"],
    ["AWS_SECRET_ACCESS_KEY=secret AWS_REGION=eu", "AWS_SECRET_ACCESS_KEY=*** AWS_REGION=eu"],
    ["AccountKey=secret==;EndpointSuffix=x", "AccountKey=***;EndpointSuffix=x"],
    ["SharedAccessKeyName=Root;SharedAccessKey=secret=", "SharedAccessKeyName=Root;SharedAccessKey=***"],
    ["x-api-key: secret", "x-api-key: ***"],
    ["pg_dump --password secret -h db", "pg_dump --password *** -h db"],
    ["<db><password>secret</password></db>", "<db><password>***</password></db>"],
    ["ALTER ROLE app PASSWORD 'secret' VALID", "ALTER ROLE app PASSWORD '***' VALID"],
    ["CREATE USER app IDENTIFIED BY 'secret'", "CREATE USER app IDENTIFIED BY '***'"],
    ["Authorization: Bearer a.b-c1 was refused", "Authorization: Bearer *** was refused"],
    ["authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"],
    ['{"authorization":"Basic dXNlcjpwYXNz","id":7}', '{"authorization":"***","id":7}'],
    ['Authorization: Digest username="a", response="secret"\nHost: x', "Authorization: Digest ***\nHost: x"],
    ["[ 'Bearer eyJhbGciOiJ.x.y' ]", "[ 'Bearer ***' ]"]
  ]
  for (const [text, kept] of cases) {
    it(`leaves of ${JSON.stringify(text)} only ${JSON.stringify(kept)}`, () => {
      const { message, reason, stack } = Fault.make({ reason: text, message: text, stack: text, attempts: 1, now: 0 })
      assert.deepStrictEqual({ message, reason, stack }, { message: kept, reason: kept, stack: kept })
      assert.strictEqual(clean(kept), kept)
    })
  }

  const harmless = [
    "me@example.com",
    "https://example.com/find?mail=me@example.com",
    "at file:///node_modules/effect@4.1.0/Effect.ts:1:2",
    "    at resetPassword (/srv/app/src/password.ts:12:34)",
    "GET https://api.example.com:8443/x failed for me@example.com",
    "GET http://orders:8080/x failed for me@example.com",
    "cannot reach https://example.com: refused. Ask ops@example.com",
    "http://[::1]:8080/ failed for me@example.com",
    '{"url":"http://orders:8080","to":"me@example.com"}',
    String.raw`"{\"url\":\"amqp://rabbit:5672\",\"to\":\"me@example.com\"}"`,
    `Unexpected token '<', "<html>" is not valid JSON`,
    "Unexpected token } in JSON at position 3",
    "the password is too short",
    '{"password":null}',
    "Basic authentication is required, and a Bearer token",
    "bypass=1 tokens: 5"
  ]
  for (const text of harmless) it(`leaves all of ${JSON.stringify(text)}`, () => assert.strictEqual(clean(text), text))

  const passwords = [
    "hunter2",
    ..."'\" /@:;<>`,#?\\=&)}".split("").map((sign) => `hun${sign}ter2`),
    "1 ter2",
    "h@n ter2"
  ]
  /** Texts that hold a password as the form has it, or nothing where the form cannot hold that one. */
  const forms: Readonly<Record<string, (password: string) => string>> = {
    "a URL": (it) => `connect postgres://app:${it}@db/x failed`,
    "a URL in quotes": (it) => `connect "postgres://app:${it}@db/x" failed`,
    "a URL in single quotes": (it) => `connect 'postgres://app:${it}@db/x' failed`,
    "a URL without a path": (it) => `bad amqp://app:${it}@rabbit`,
    "a URL without a user": (it) => `redis://:${it}@cache:6379/0`,
    "a URL in JSON": (it) => JSON.stringify({ url: `postgres://app:${it}@db`, id: 1 }),
    "a URL in JSON in JSON": (it) => JSON.stringify(JSON.stringify({ url: `postgres://app:${it}@db`, id: 1 })),
    JSON: (it) => JSON.stringify({ user: "a", password: it, id: 1 }),
    "JSON in JSON": (it) => JSON.stringify({ body: JSON.stringify({ user: "a", password: it, id: 1 }) }),
    "indented JSON": (it) => JSON.stringify({ db_passwd: it, id: 1 }, null, 2),
    "an inspected object": (it) => `{ user: 'a', dbPassword: '${escaped(it, "'")}', id: 1 }`,
    "a connection string": (it) => `Server=db;Password="${it.replaceAll('"', '""')}";Port=1`,
    "a connection string without quotes": (it) => (/[;"]/.test(it) ? "" : `Server=db;PWD=${it};Port=1`),
    "the end of a connection string": (it) => (/;/.test(it) ? "" : `Server=db;Pwd=${it}`),
    "a libpq string": (it) => `host=db password='${escaped(it, "'")}' user=a`,
    YAML: (it) => (/;/.test(it) ? "" : `passphrase: ${it}\nhost: db`),
    "an environment": (it) => (/[ ;&]/.test(it) ? "" : `DB_PASS=${it} HOST=db`),
    XML: (it) => (/</.test(it) ? "" : `<password>${it}</password>`),
    SQL: (it) => `ALTER ROLE a PASSWORD '${it.replaceAll("'", "''")}'`,
    "a command line": (it) => `pg --db-password="${escaped(it, '"')}" -h db`
  }
  for (const [what, write] of Object.entries(forms)) {
    it(`finds every password in ${what}`, () => {
      for (const password of passwords) assert.notInclude(clean(write(password)), "ter2", password)
    })
  }

  it("keeps none of a URL that is cut before its host, and none of a value that is cut before its end", () => {
    for (let at = 1000; at < 4200; at += 50) {
      const start = `amqp://${"u".repeat(3000)}@h ${"x".repeat(at)}`
      assert.notInclude(fault(`${start} amqp://user:${"secret".repeat(1000)}@host`).message, "secret")
      assert.notInclude(fault(`${start} {"password":"${"secret".repeat(1000)}"}`).message, "secret")
    }
  })

  it("costs no more than the text is long, whatever it is made of", () => {
    const pieces = [
      "://",
      ":",
      "@",
      "://@",
      "a://b:",
      "://a:b ",
      "a://b:c@d ",
      "://a: ",
      "pass",
      "password=",
      "token:\\"
    ]
    const quoted = ['password="', "password='\\'", 'password=\\"', ";password=a ", "Bearer ", "Bearer a ", "--token "]
    for (const piece of [
      ...pieces,
      ...quoted,
      "authorization: ",
      "authorization: Basic ",
      "password:\\\\",
      "password : "
    ]) {
      assertLinear((length) => clean(piece.repeat(length / piece.length)), 20_000, piece)
    }
  })
})
