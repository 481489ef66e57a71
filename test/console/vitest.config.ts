import { defineConfig } from "vitest/config"

/** One file after the other: each has a node, a server and a browser of its own. */
export default defineConfig({
  test: {
    include: ["*.e2e.ts"],
    fileParallelism: false,
    reporters: ["verbose"],
    silent: "passed-only",
    // A machine that is busy with other work is ten times slower.
    testTimeout: 600_000,
    hookTimeout: 300_000
  }
})
