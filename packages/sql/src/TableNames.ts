/**
 * The names of the tables that this package keeps its events in.
 *
 * @since 0.1.0
 */

/**
 * Options of the names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The schema that the tables lie in. Default: the first in the search path. SQLite has none. */
  readonly schema?: string | undefined
  /** The beginning of each table's name. Default: `eventbus_`. */
  readonly prefix?: string | undefined
}

/**
 * The tables, without their prefix.
 *
 * @category models
 * @since 0.1.0
 */
export type Table = "migrations" | "outbox" | "parked" | "inbox" | "cron" | "lease"

/**
 * The names of the tables.
 *
 * @category models
 * @since 0.1.0
 */
export interface TableNames {
  readonly schema: string | undefined
  readonly prefix: string
  /** Returns the name of a table with its schema, unquoted, which `sql(…)` quotes. */
  readonly of: (table: Table) => string
  /** Returns the name of a table with its schema, quoted. */
  readonly quoted: (table: Table) => string
}

const identifier = /^[a-z_][a-z0-9_]{0,39}$/

const checked = (kind: string, name: string): string => {
  if (identifier.test(name)) return name
  throw new RangeError(
    `The ${kind} ${JSON.stringify(name)} is not a name: use up to 40 lower-case letters, digits and underscores`
  )
}

/**
 * Makes the names. Throws a `RangeError` for a schema or a prefix that is not a plain
 * lower-case name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): TableNames => {
  const prefix = checked("prefix", options.prefix ?? "eventbus_")
  const schema = options.schema === undefined ? undefined : checked("schema", options.schema)
  const parts = (table: Table) => (schema === undefined ? [`${prefix}${table}`] : [schema, `${prefix}${table}`])
  return {
    schema,
    prefix,
    of: (table) => parts(table).join("."),
    quoted: (table) =>
      parts(table)
        .map((part) => `"${part}"`)
        .join(".")
  }
}
