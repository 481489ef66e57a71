// Writes the SQL files of @effect-eventbus/sql from its code: `node test/scripts/migrations.mjs`.
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Migrations } from "@effect-eventbus/sql"

for (const dialect of ["postgres", "sqlite"]) {
  const folder = join(import.meta.dirname, "../../packages/sql/migrations", dialect)
  mkdirSync(folder, { recursive: true })
  for (const { id, name } of Migrations.all(dialect)) {
    writeFileSync(join(folder, `${String(id).padStart(4, "0")}_${name}.sql`), Migrations.script(dialect, id))
  }
}
