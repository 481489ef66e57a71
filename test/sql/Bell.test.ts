import { Outbox } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { layer, Paid } from "./support/Harness.ts"
import { onEach } from "./support/onEach.ts"

onEach("The relays of a process", ({ fresh }) => {
  it.live("are woken by a commit, not before it, and not by what was rolled back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { bell } = yield* Outbox.Outbox
      yield* bell.hear
      const publish = Effect.flatMap(Paid.event({ n: 1 }), (event) => Outbox.publish(event))
      const rings: Array<number> = []
      const note = Effect.sync(() => rings.push(bell.rings()))
      yield* sql.withTransaction(Effect.andThen(publish, note))
      yield* note
      yield* Effect.exit(sql.withTransaction(Effect.andThen(publish, Effect.fail("no"))))
      yield* note
      assert.deepStrictEqual(rings, [0, 1, 1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})
