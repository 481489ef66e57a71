import { spawn } from "node:child_process"
import { once } from "node:events"

/** Ends process groups and removes a folder once it is released, or this process ends, however it does. */
export interface Watchdog {
  readonly guard: (groups: ReadonlyArray<number>) => void
  readonly release: () => Promise<void>
}

// The pipe closes with the process that holds its other end, even if that is killed.
const script = `
while read -r line; do groups=$line; done
for group in $groups; do kill -KILL "-$group"; done
tries=0
until rm -rf "$1" || [ "$tries" -ge 50 ]; do tries=$((tries + 1)); sleep 0.1; done
`

export const make = (folder: string): Watchdog => {
  const shell = spawn("/bin/sh", ["-c", script, "watchdog", folder], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  const ended = once(shell, "exit")
  shell.stdin.on("error", () => {})
  shell.unref()
  return {
    guard: (groups) => void shell.stdin.write(`${groups.join(" ")}\n`),
    release: async () => {
      shell.ref()
      shell.stdin.end()
      await ended
    }
  }
}
