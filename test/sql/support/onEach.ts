import { describe } from "@effect/vitest"
import { inject } from "vitest"
import * as Database from "./Database.ts"

/** The database that a suite runs on. */
export interface Subject {
  readonly kind: Database.Database["kind"]
  /** Makes a database that goes with the scope. */
  readonly make: ReturnType<typeof Database.make>
  /** A client of a new database. */
  readonly fresh: ReturnType<typeof Database.fresh>
}

const on = (kind: Subject["kind"], name: string, suite: (subject: Subject) => void): void => {
  const url = inject("postgresUrl")
  describe.skipIf(kind === "postgres" && url === null)(`${name} on ${kind}`, () =>
    suite({ kind, make: Database.make(kind, url), fresh: Database.fresh(kind, url) })
  )
}

/** Runs the same suite on SQLite and on PostgreSQL. */
export const onEach = (name: string, suite: (subject: Subject) => void): void => {
  on("sqlite", name, suite)
  on("postgres", name, suite)
}

/** Runs a suite of what only PostgreSQL can do. */
export const onPostgres = (name: string, suite: (subject: Subject) => void): void => on("postgres", name, suite)
