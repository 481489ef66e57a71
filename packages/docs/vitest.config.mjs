export default { test: { include: ["test/*.test.mjs"], testTimeout: 60_000, hookTimeout: 60_000 } }
