import { BlobStore, Bodies, ClaimCheck, S3BlobStore, SqlBlobStore } from "@effect-eventbus/bodies"
import { NodeSqlite } from "@effect-eventbus/sql"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, FileSystem, Layer, Option, Redacted, Schema } from "effect"
import { Broker, EventBus, EventType, MemoryBroker, Subscription } from "effect-eventbus"
import { FetchHttpClient } from "effect/http"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { inject } from "vitest"
import * as Database from "../sql/support/Database.ts"
import * as Contract from "./support/blobStoreContract.ts"
import * as S3Server from "./support/S3Server.ts"
import * as S3Signature from "./support/s3Signature.ts"

Contract.run(
  "in memory",
  Effect.gen(function* () {
    const built = yield* Layer.build(BlobStore.layerMemory)
    const store = Context.get(built, BlobStore.BlobStore)
    return {
      layer: Layer.succeedContext(built),
      age: (name: string, millis: number) =>
        Effect.gen(function* () {
          const bytes = yield* Effect.fromOption(yield* store.get(name, Infinity))
          yield* TestClock.setTime(Date.now() - millis)
          yield* store.put(name, bytes)
        }).pipe(Effect.provide(TestClock.layer()))
    }
  })
)

Contract.run(
  "in a folder",
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const directory = yield* files.makeTempDirectoryScoped()
    const seconds = (millis: number) => (Date.now() - millis) / 1000
    return {
      layer: Layer.provide(BlobStore.layerFileSystem({ directory }), NodeServices.layer),
      age: (name: string, millis: number) =>
        files.utimes(`${directory}/${encodeURIComponent(name)}`, seconds(millis), seconds(millis))
    }
  }).pipe(Effect.provide(NodeServices.layer))
)

const inSql = (kind: "sqlite" | "postgres") =>
  Effect.gen(function* () {
    const database = yield* Database.make(kind, inject("postgresUrl"))
    const client = Database.client(database, { isCamelCase: true })
    return {
      layer: Layer.provide(SqlBlobStore.layer(), client),
      age: (name: string, millis: number) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`UPDATE eventbus_blobs SET used_ms = ${Date.now() - millis} WHERE name = ${name}`
        ).pipe(Effect.provide(client))
    }
  })

Contract.run("on SQLite", inSql("sqlite"), { many: 300 })
Contract.run("on PostgreSQL", inSql("postgres"), { many: 300, skip: inject("postgresUrl") === null })

const s3 = (endpoint: string, options: Partial<S3BlobStore.Options> = {}) =>
  S3BlobStore.layer({
    endpoint,
    region: "eu-central-1",
    bucket: S3Server.bucket,
    accessKeyId: S3Server.accessKeyId,
    secretAccessKey: Redacted.make(S3Server.secretAccessKey),
    ...options
  }).pipe(Layer.provide(FetchHttpClient.layer))

Contract.run(
  "in a bucket",
  Effect.gen(function* () {
    const server = yield* S3Server.make
    // An object of another application, outside of the prefix.
    yield* Effect.flatMap(BlobStore.BlobStore, (store) => store.put("foreign", new Uint8Array(1))).pipe(
      Effect.provide(s3(server.endpoint, { prefix: "other/" }))
    )
    return {
      layer: s3(server.endpoint, { prefix: "blobs/of(all)/" }),
      age: (name: string, millis: number) => Effect.sync(() => server.age(name, millis))
    }
  })
)

const use = <A, E>(
  layer: Layer.Layer<BlobStore.BlobStore>,
  run: (store: BlobStore.BlobStore["Service"]) => Effect.Effect<A, E>
) => Effect.flatMap(BlobStore.BlobStore, run).pipe(Effect.provide(layer, { local: true }))

describe("A store of blobs in a bucket", () => {
  it("is checked by a signature that AWS has published", () => {
    const headers = {
      host: "examplebucket.s3.amazonaws.com",
      range: "bytes=0-9",
      "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "x-amz-date": "20130524T000000Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=?"
    }
    assert.strictEqual(
      S3Signature.expected({ method: "GET", target: "/test.txt", headers }, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
  })

  const wrong = (options: Partial<S3BlobStore.Options>) =>
    Effect.gen(function* () {
      const server = yield* S3Server.make
      const error = yield* Effect.flip(use(s3(server.endpoint, options), (store) => store.get("any", 1)))
      return { error, requests: server.requests.length }
    }).pipe(Effect.scoped)

  it.live("says once that it is denied, and tells no secret", () =>
    Effect.gen(function* () {
      const secret = "a wrong secret"
      const { error, requests } = yield* wrong({ secretAccessKey: Redacted.make(secret) })
      assert.deepStrictEqual([error.reason, error.isRetryable, requests], ["Denied", false, 1])
      assert.strictEqual(error.message, "The blob store failed: GET was answered with 403 SignatureDoesNotMatch")
      assert.notInclude(JSON.stringify(error), secret)
      const missing = yield* wrong({ bucket: "none" })
      assert.deepStrictEqual([missing.error.reason, missing.error.detail], ["Denied", 'there is no bucket "none"'])
    })
  )

  it.live("asks again after a lost connection and a busy server, and gives up after four requests", () =>
    Effect.gen(function* () {
      const server = yield* S3Server.make
      yield* use(s3(server.endpoint), (store) =>
        Effect.gen(function* () {
          server.failNext(503, 0)
          yield* store.put("a", new Uint8Array(3))
          assert.deepStrictEqual(server.requests, ["HEAD", "HEAD", "HEAD", "PUT"])
          server.failNext(500, 0, 503, 429)
          const error = yield* Effect.flip(store.get("a", 3))
          assert.deepStrictEqual([error.reason, error.isRetryable], ["Unavailable", true])
          assert.strictEqual(error.detail, "GET was answered with 429 SlowDown")
          assert.isTrue(Option.isSome(yield* store.get("a", 3)))
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("waits for an answer no longer than its timeout", () =>
    Effect.gen(function* () {
      const server = yield* S3Server.make
      server.failNext(-1, -1, -1, -1)
      const error = yield* Effect.flip(use(s3(server.endpoint, { timeout: "20 millis" }), (store) => store.get("a", 1)))
      assert.strictEqual(error.detail, "GET was not answered in time")
    }).pipe(Effect.scoped)
  )

  it.live("uploads a blob again only when it has not been used for an hour", () =>
    Effect.gen(function* () {
      const server = yield* S3Server.make
      yield* use(s3(server.endpoint), (store) =>
        Effect.gen(function* () {
          const put = store.put("a", new Uint8Array(3))
          yield* put
          yield* put
          assert.deepStrictEqual(server.requests, ["HEAD", "PUT", "HEAD"])
          server.age("a", 3_700_000)
          yield* put
          assert.deepStrictEqual(server.requests.slice(3), ["HEAD", "PUT"])
        })
      )
    }).pipe(Effect.scoped)
  )

  it("refuses a prefix that no key may have", () => {
    assert.throws(() => s3("http://localhost", { prefix: "a b?" }), RangeError)
  })
})

describe("A store of blobs in a table", () => {
  it("refuses a table that is not a plain name", () => {
    assert.throws(() => SqlBlobStore.layer({ table: 'x"; DROP' }), RangeError)
  })

  const Scan = EventType.make("page.scanned", { payload: Schema.Struct({ text: Schema.String }) })
  const scans = Subscription.make("scans", { events: [Scan] })

  /** Publishes a large payload amid a transaction, which is rolled back. Returns the number of blobs after it. */
  const publishAmid = (client: Layer.Layer<SqlClient.SqlClient, unknown>) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const claim = yield* ClaimCheck.make({ over: 0 })
      const broker = yield* Broker.Broker
      const bus = yield* EventBus.make.pipe(Effect.provideService(Broker.Broker, Bodies.wrap(broker, [claim])))
      yield* bus.declare(scans)
      const published = yield* Effect.exit(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* bus.publish(yield* Scan.event({ text: "…" }))
            return yield* Effect.fail("rolled back")
          })
        )
      )
      const blobs = yield* sql`SELECT name FROM eventbus_blobs`
      const waiting = Option.getOrThrow(yield* bus.queueInfo("scans")).messages
      return { published: Exit.isFailure(published) ? String(published.cause) : "", blobs: blobs.length, waiting }
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(MemoryBroker.layer(), Layer.provideMerge(SqlBlobStore.layer(), client)))
    )

  it.live("writes on SQLite nothing amid a transaction, and so publishes nothing", () =>
    Effect.gen(function* () {
      const { blobs, published, waiting } = yield* publishAmid(NodeSqlite.layer({ filename: ":memory:" }))
      assert.deepStrictEqual([blobs, waiting], [0, 0])
      assert.include(published, "amid a transaction of SQLite")
    })
  )

  it.live.skipIf(inject("postgresUrl") === null)(
    "keeps on PostgreSQL the blob of an event whose transaction is rolled back",
    () =>
      Effect.gen(function* () {
        const database = yield* Database.make("postgres", inject("postgresUrl"))
        const { blobs, waiting } = yield* publishAmid(Database.client(database))
        assert.deepStrictEqual([blobs, waiting], [1, 1])
      }).pipe(Effect.scoped)
  )
})
