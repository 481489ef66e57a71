export default { test: { include: ["*.release.ts"] } }
