import { mkdtemp, readdir, rm, utimes } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AmqpBroker } from "@effect-eventbus/amqp"
import { BlobStore, BodyPlan, ClaimCheck } from "@effect-eventbus/bodies"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, inject, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Rig from "../amqp/support/Rig.ts"
import { eventually } from "../support/eventually.ts"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""
const module = Fixture.module("blobs")

const Report = EventType.make("report.made", { payload: Schema.Struct({ text: Schema.String }) })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "eventbus-blobs-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

describe("eventbus blobs sweep without a broker", () => {
  it("needs a store and a time", async () => {
    Process.assertFailed(await Process.run(["blobs", "sweep", ...module]), 2, "Missing flag --older-than")
    const shop = await Process.run(["blobs", "sweep", ...Fixture.shop, "--older-than", "7d"])
    Process.assertFailed(shop, 2, "exports no BodyPlan with a store")
    const silent = await Process.run(["blobs", "sweep", ...module, "--older-than", "7d", "--delete"])
    Process.assertFailed(silent, 2, "use --yes")
  })

  it("says that the store cannot be opened", async () => {
    // A file is no folder.
    const ended = await Process.run(["blobs", "sweep", ...module, "--older-than", "7d"], {
      BLOBS: import.meta.filename
    })
    assert.strictEqual(ended.code, 1)
    assert.include(ended.stderr, "The blob store cannot be opened: The blob store failed: ")
  })
})

describe.skipIf(url === "")("eventbus blobs sweep on RabbitMQ", () => {
  it.live(
    "shows what nothing needs, refuses where events cannot be looked at, and deletes the rest",
    () =>
      Effect.gen(function* () {
        const rig = yield* Rig.make(url, "blobs")
        const queue = rig.queue("reports")
        const directory = yield* folder
        const env = { ...Process.at(url), RABBITMQ_EXCHANGE: rig.exchange, BLOBS: directory, REPORTS: queue }
        const runWith = (more: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
          Effect.promise(() => Process.run([...args, ...module], { ...env, ...more }))
        const run = (...args: ReadonlyArray<string>) => runWith({}, ...args)
        const sweep = (...args: ReadonlyArray<string>) => run("blobs", "sweep", "--older-than", "7d", ...args)
        const names = Effect.promise(() => readdir(directory))
        /** Lets ten days pass for all blobs. */
        const age = Effect.gen(function* () {
          const time = Date.now() / 1000 - 10 * 86_400
          for (const name of yield* names) yield* Effect.promise(() => utimes(join(directory, name), time, time))
        })
        const plan = BodyPlan.make([ClaimCheck.make({ over: 0 })], {
          store: Layer.provide(BlobStore.layerFileSystem({ directory }), NodeServices.layer)
        })
        const reports = Subscription.make(queue, { events: [Report] })

        yield* Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          yield* Effect.scoped(
            Effect.gen(function* () {
              const handled = yield* Deferred.make<void>()
              yield* bus.subscribe(
                Handler.make(reports, ({ payload }) =>
                  payload.text === "dead" ? Effect.fail("no") : Deferred.succeed(handled, undefined)
                ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
              )
              yield* bus.publish(yield* Report.event({ text: "handled" }))
              yield* bus.publish(yield* Report.event({ text: "dead" }))
              yield* Deferred.await(handled)
              const isDead = Effect.map(
                bus.queueInfo(`dlq.${queue}`),
                Option.exists(({ messages }) => messages === 1)
              )
              yield* eventually("the event is a dead letter", isDead, { atMost: "60 seconds" })
            })
          )
          const young = yield* sweep()
          assert.deepStrictEqual([young.code, young.stdout], [0, ""])
          assert.include(young.stderr, "Only the queues of the module are looked at: set RABBITMQ_MANAGEMENT_URL")
          assert.include(young.stderr, "Nothing was deleted: no blob is left over.")

          yield* age
          const before = yield* names
          assert.strictEqual(before.length, 2)
          const shown = yield* sweep("--json")
          const orphans = Process.objectsOf(shown.stdout)
          assert.deepStrictEqual(
            orphans.map(({ state }) => state),
            ["orphan"]
          )
          assert.include(shown.stderr, "Nothing was deleted. --delete would delete 1 blob.")
          const doctor = yield* run("doctor", "--json")
          const check = Process.objectsOf(doctor.stdout).find(({ check }) => check === "blobs")
          assert.deepInclude(check, { status: "warn" })
          assert.match(String(check?.["detail"]), /^1 blob not used since .+, and no event or dead letter needs it$/)

          yield* bus.publish(yield* Report.event({ text: "waiting" }))
          yield* age
          const untold = yield* sweep()
          assert.include(untold.stderr, `1 event in "${queue}" cannot be looked at, and may need these blobs.`)
          const refused = yield* sweep("--delete", "--yes")
          assert.strictEqual(refused.code, 1)
          assert.include(refused.stderr, `eventbus: Nothing was deleted: 1 event in "${queue}" cannot be looked at`)
          assert.strictEqual((yield* names).length, 3)

          yield* bus.purge(queue)
          const again = String(orphans[0]?.["blob"])
          const some = yield* runWith(
            { USED_MEANWHILE: again },
            "blobs",
            "sweep",
            "--older-than",
            "7d",
            "--delete",
            "--yes"
          )
          assert.strictEqual(some.code, 0, some.stderr)
          const lines = some.stdout.trimEnd().split("\n").toSorted()
          assert.lengthOf(lines, 2)
          assert.match(lines[0] ?? "", /^deleted {2}\S+ {2}[\da-f]{64}$/)
          assert.match(lines[1] ?? "", new RegExp(`^kept {5}\\S+ {2}${again} {2}used meanwhile$`))
          assert.include(some.stderr, "1 blob deleted. 1 blob kept: used meanwhile.")
          assert.include(yield* names, again)

          yield* age
          const deleted = yield* sweep("--delete", "--yes")
          assert.strictEqual(deleted.code, 0, deleted.stderr)
          assert.match(deleted.stdout, /^deleted {2}\S+ {2}[\da-f]{64}\n$/)
          assert.include(deleted.stderr, "1 blob deleted.\n")
          assert.deepStrictEqual(
            yield* names,
            before.filter((name) => name !== again)
          )
          // The dead letter is whole.
          const seen = yield* Deferred.make<string>()
          yield* bus.deadLetters(queue).replay()
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* bus.subscribe(Handler.make(reports, ({ payload }) => Deferred.succeed(seen, payload.text)))
              assert.strictEqual(yield* Deferred.await(seen), "dead")
            })
          )
        }).pipe(
          Effect.provide(EventBus.layer.pipe(Layer.provide(plan.layer), Layer.provide(AmqpBroker.layer(rig.options()))))
        )
      }).pipe(Effect.scoped),
    120_000
  )
})
