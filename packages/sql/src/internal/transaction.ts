/**
 * Transactions whose lost connection is a failure.
 *
 * Effect makes a defect of a rollback that fails, and on a connection that was cut none succeeds. A defect is what no retry
 * and no policy answers.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

/** Runs an effect in a transaction of the application, which may have an isolation level of its own. */
export const run =
  (sql: SqlClient) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.catchDefect(sql.withTransaction(effect), (defect) =>
      isSqlError(defect) && defect.reason._tag === "ConnectionError" ? Effect.fail(defect) : Effect.die(defect)
    )
