/**
 * Transactions whose lost connection is a failure.
 *
 * Effect makes a defect of a rollback that fails, and on a connection that was cut none succeeds. A defect is what no retry
 * and no policy answers.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

/** Returns whether an error ended its connection. PostgreSQL says so by its severity, of which the client's tags tell nothing. */
const isOfConnection = ({ reason }: SqlError): boolean =>
  reason._tag === "ConnectionError" ||
  (Predicate.hasProperty(reason.cause, "severityUnlocalized") && reason.cause.severityUnlocalized === "FATAL")

/** Runs an effect in a transaction of the application, which may have an isolation level of its own. */
export const run =
  (sql: SqlClient) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.catchDefect(sql.withTransaction(effect), (defect) =>
      isSqlError(defect) && isOfConnection(defect) ? Effect.fail(defect) : Effect.die(defect)
    )
