#!/usr/bin/env node
import * as module from "node:module"

/** The least version, as `engines` of the package has it, of which npm only warns. */
const least = [22, 19] as const

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < least[0] || (major === least[0] && minor < least[1])) {
  console.error(`eventbus needs Node ${least.join(".")} or later, and this is ${process.versions.node}`)
  process.exit(1)
}
// From the second run on, the command starts in half the time.
module.enableCompileCache()
await import("./main.ts")
