import { existsSync } from "node:fs"
import { defineConfig } from "vitest/config"

const globalSetup = "support/globalSetup.ts"

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    globalSetup: existsSync(new URL(globalSetup, import.meta.url)) ? [globalSetup] : [],
    // Most of the time is waiting for a broker.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    silent: "passed-only"
  }
})
