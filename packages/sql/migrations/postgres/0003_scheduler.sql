BEGIN;

INSERT INTO "eventbus_migrations" (migration_id, name) VALUES (3, 'scheduler');

ALTER TABLE "eventbus_outbox" ADD COLUMN due_ms bigint;

CREATE INDEX "eventbus_outbox_due" ON "eventbus_outbox" (due_ms) WHERE due_ms IS NOT NULL;

CREATE UNIQUE INDEX "eventbus_outbox_scheduled" ON "eventbus_outbox" (event_id) WHERE due_ms IS NOT NULL;

CREATE TABLE "eventbus_cron" (
  name text PRIMARY KEY,
  tick_ms bigint NOT NULL
);

COMMIT;
