/**
 * The database that the commands of the outbox and the scheduler use.
 *
 * @since 0.1.0
 */

import { existsSync } from "node:fs"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as lazyImports from "./lazyImports.ts"
import { CommandFailed } from "./Problem.ts"

/**
 * The flags that locate the tables.
 *
 * @category flags
 * @since 0.1.0
 */
export const flags = {
  database: Flag.String("database").pipe(
    Flag.withDescription("postgres:// URL or SQLite file; or the variable EVENTBUS_DATABASE"),
    Flag.withMetavar("URL|FILE"),
    Flag.withFallbackConfig(Config.String("EVENTBUS_DATABASE"))
  ),
  schema: Flag.String("schema").pipe(
    Flag.withDescription("The schema of the tables, if it is not in the search path"),
    Flag.optional
  ),
  prefix: Flag.String("prefix").pipe(
    Flag.withDescription("The beginning of the tables' names [eventbus_]"),
    Flag.optional
  )
}

/**
 * The values of the flags.
 *
 * @category models
 * @since 0.1.0
 */
export interface Input {
  readonly database: string
  readonly schema: Option.Option<string>
  readonly prefix: Option.Option<string>
}

const isUrl = (database: string): boolean => /^postgres(ql)?:\/\//.test(database)

/**
 * The tables in their database. They are checked, and never made.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTables = (input: Input) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { NodeSqlite, Tables } = yield* lazyImports.sql
      const { database } = input
      if (!isUrl(database) && !existsSync(database)) {
        return yield* new CommandFailed({
          message: `There is no database ${database}: give a postgres:// URL or a file`
        })
      }
      return Tables.layer({
        schema: Option.getOrUndefined(input.schema),
        prefix: Option.getOrUndefined(input.prefix)
      }).pipe(
        Layer.provide(
          isUrl(database)
            ? (yield* lazyImports.postgres).layer({ url: Redacted.make(database), maxConnections: 1 })
            : NodeSqlite.layer({ filename: database })
        )
      )
    })
  )

/**
 * Provides a command with the tables in its database. They are checked, and never made.
 *
 * @category running
 * @since 0.1.0
 */
export const provide = <A, E, R>(command: Effect.Effect<A, E, R>, input: Input) =>
  Effect.provide(command, layerTables(input))
