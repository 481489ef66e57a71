import { defineConfig } from "vitest/config"

export default defineConfig({
  test: { include: ["*.release.ts"], testTimeout: 120_000, hookTimeout: 400_000, silent: "passed-only" }
})
