/**
 * Outbox, inbox and scheduler of the bus on PostgreSQL and SQLite.
 *
 * @since 0.1.0
 */

export * as Inbox from "./Inbox.ts"
export * as Migrations from "./Migrations.ts"
export * as NodeSqlite from "./NodeSqlite.ts"
export * as Outbox from "./Outbox.ts"
export * as ParkedEvents from "./ParkedEvents.ts"
export * as Scheduler from "./Scheduler.ts"
export * as TableNames from "./TableNames.ts"
export * as Tables from "./Tables.ts"
