BEGIN;

INSERT INTO "eventbus_migrations" (migration_id, name) VALUES (2, 'inbox');

CREATE TABLE "eventbus_inbox" (
  subscription text NOT NULL,
  event_id text NOT NULL,
  expires_ms bigint NOT NULL,
  PRIMARY KEY (subscription, event_id)
);

CREATE INDEX "eventbus_inbox_expires" ON "eventbus_inbox" (expires_ms);

COMMIT;
