import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { Effect } from "effect"
import type { Database } from "../support/Database.ts"

/** The parameters of a child process, as JSON on its command line. */
export interface Parameters {
  readonly database: Database
  readonly amqp: string
  readonly exchange: string
  readonly queue: string
  readonly batch: number
}

/** Starts a program of this folder in a process of its own, which is killed with the scope. */
export const start = (program: "relay" | "inbox", parameters: Parameters) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const file = join(import.meta.dirname, `${program}.ts`)
      const child = spawn(process.execPath, [file, JSON.stringify(parameters)], {
        stdio: ["ignore", "inherit", "inherit"]
      })
      const ended = once(child, "exit")
      const kill = Effect.promise(async () => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
        await ended
      })
      return { kill, isAlive: () => child.exitCode === null && child.signalCode === null }
    }),
    ({ kill }) => kill
  )

export const parameters = (): Parameters => JSON.parse(process.argv[2] ?? "")
