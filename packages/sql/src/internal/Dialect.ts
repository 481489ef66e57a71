/**
 * How each database says the same.
 *
 * @internal
 */

import type { Fragment } from "effect/sql/Statement"
import type { Tables } from "../Tables.ts"
import * as MigrationSteps from "./migrationSteps.ts"

export interface Dialect {
  readonly isPostgres: boolean
  /** The clock of the database, in milliseconds since 1970, as SQL. */
  readonly now: string
  /** Tests whether a column is one of the values, which may be many. */
  readonly isAny: (column: string, values: ReadonlyArray<number> | ReadonlyArray<string>) => Fragment
  /** Tests whether a column is none of the values, which may be many. */
  readonly isNone: (column: string, values: ReadonlyArray<number> | ReadonlyArray<string>) => Fragment
  /** Reads an integer expression as a number. PostgreSQL's are bigints otherwise. */
  readonly number: (expression: string) => Fragment
  /** Passes over the rows that others have locked. */
  readonly skipLocked: Fragment
  /** Keeps the rows from being read for a change, too. */
  readonly forUpdate: Fragment
  /** Keeps the rows from being changed until the transaction ends. */
  readonly forShare: Fragment
}

export const of = ({ dialect, sql }: Tables["Service"]): Dialect => {
  const isPostgres = dialect === "postgres"
  return {
    isPostgres,
    now: MigrationSteps.now(dialect),
    // One parameter, so that the statement is prepared once for any number of values.
    isAny: (column, values) =>
      isPostgres
        ? sql`${sql(column)} = ANY(${values})`
        : sql`${sql(column)} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`,
    isNone: (column, values) =>
      isPostgres
        ? sql`${sql(column)} <> ALL(${values})`
        : sql`${sql(column)} NOT IN (SELECT value FROM json_each(${JSON.stringify(values)}))`,
    number: (expression) => sql.literal(isPostgres ? `(${expression})::float8` : expression),
    skipLocked: sql.literal(isPostgres ? "FOR UPDATE SKIP LOCKED" : ""),
    forUpdate: sql.literal(isPostgres ? "FOR UPDATE" : ""),
    forShare: sql.literal(isPostgres ? "FOR SHARE" : "")
  }
}
