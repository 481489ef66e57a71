BEGIN;

CREATE TABLE IF NOT EXISTS "eventbus_migrations" (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name varchar(255) NOT NULL
);

INSERT INTO "eventbus_migrations" (migration_id, name) VALUES (1, 'outbox');

CREATE TABLE "eventbus_outbox" (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  key TEXT,
  headers TEXT NOT NULL,
  body BLOB NOT NULL,
  since_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
);

CREATE INDEX "eventbus_outbox_key" ON "eventbus_outbox" (key, seq) WHERE key IS NOT NULL;

CREATE TABLE "eventbus_parked" (
  seq INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  key TEXT,
  headers TEXT NOT NULL,
  body BLOB NOT NULL,
  since_ms INTEGER NOT NULL,
  parked_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  reason TEXT NOT NULL
);

CREATE INDEX "eventbus_parked_key" ON "eventbus_parked" (key, seq) WHERE key IS NOT NULL;

CREATE TABLE "eventbus_lease" (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  owner TEXT NOT NULL,
  until_ms INTEGER NOT NULL
);

COMMIT;
