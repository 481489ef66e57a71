BEGIN;

INSERT INTO "eventbus_migrations" (migration_id, name) VALUES (2, 'inbox');

CREATE TABLE "eventbus_inbox" (
  subscription TEXT NOT NULL,
  event_id TEXT NOT NULL,
  expires_ms INTEGER NOT NULL,
  PRIMARY KEY (subscription, event_id)
) WITHOUT ROWID;

CREATE INDEX "eventbus_inbox_expires" ON "eventbus_inbox" (expires_ms);

COMMIT;
