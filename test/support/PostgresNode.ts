import { execFile, spawn } from "node:child_process"
import { randomInt } from "node:crypto"
import { once } from "node:events"
import { existsSync, readdirSync } from "node:fs"
import { chown, mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { retryFor, within } from "./Deadline.ts"
import { isFree } from "./NodeDirectory.ts"
import * as Watchdog from "./Watchdog.ts"

/** A private PostgreSQL from the system's package, which ends with the tests. */
export interface PostgresNode {
  readonly url: string
  readonly version: string
  readonly stop: () => Promise<void>
}

/** Debian puts the programs into a folder for each version, outside of the PATH. */
const folders = (): ReadonlyArray<string> => {
  const root = "/usr/lib/postgresql"
  const versions = existsSync(root) ? readdirSync(root) : []
  const newestFirst = versions.toSorted((a, b) => Number(b) - Number(a))
  return [...newestFirst.map((version) => join(root, version, "bin")), ...(process.env["PATH"] ?? "").split(delimiter)]
}

export const find = (): string | undefined =>
  folders().find((folder) => ["initdb", "postgres", "pg_isready"].every((program) => existsSync(join(folder, program))))

/** PostgreSQL refuses to run as root, so it gets the user that owns nothing. */
const unprivileged = 65_534

const isRoot = process.getuid?.() === 0
const identity = isRoot ? { uid: unprivileged, gid: unprivileged } : {}

const freePort = async (): Promise<number> => {
  const port = 32_100 + randomInt(600)
  return (await isFree(port)) ? port : freePort()
}

const settings = ["max_connections=200", "unix_socket_directories="]
// The tests kill its clients, never the machine, so nothing has to reach the disk.
const volatile = ["fsync=off", "full_page_writes=off"]

/** Starts a database. A durable one writes to the disk at each commit, as those in production do. */
export const start = async ({ isDurable = false } = {}): Promise<PostgresNode> => {
  const programs = find()
  if (programs === undefined) throw new Error("No PostgreSQL is installed on this system")
  const folder = await mkdtemp(join(tmpdir(), "eventbus-postgres-"))
  if (isRoot) await chown(folder, unprivileged, unprivileged)
  const watchdog = Watchdog.make(folder)
  try {
    const data = join(folder, "data")
    const options = { cwd: folder, env: { LC_ALL: "C" }, timeout: 60_000, ...identity }
    const init = ["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    await promisify(execFile)(join(programs, "initdb"), init, options)
    const port = await freePort()
    const flags = [`listen_addresses=127.0.0.1`, `port=${port}`, ...settings, ...(isDurable ? [] : volatile)].flatMap(
      (setting) => ["-c", setting]
    )
    const server = spawn(join(programs, "postgres"), ["-D", data, ...flags], {
      cwd: folder,
      env: { LC_ALL: "C" },
      detached: true,
      stdio: "ignore",
      ...identity
    })
    const { pid } = server
    if (pid === undefined) throw new Error("postgres did not start")
    watchdog.guard([pid])
    server.unref()
    // It listens before it is ready, and refuses connections meanwhile.
    const ready = ["-q", "-h", "127.0.0.1", "-p", `${port}`]
    await retryFor(30_000, () => promisify(execFile)(join(programs, "pg_isready"), ready, { timeout: 5_000 }))
    const { stdout } = await promisify(execFile)(join(programs, "postgres"), ["--version"], { timeout: 10_000 })
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      version: /[\d.]+/.exec(stdout)?.[0] ?? "",
      stop: async () => {
        if (server.exitCode === null && server.signalCode === null) {
          server.ref()
          const ended = once(server, "exit")
          server.kill("SIGINT")
          await within(10_000, "Stopping PostgreSQL", ended).catch(() => {})
        }
        await watchdog.release()
      }
    }
  } catch (error) {
    await watchdog.release()
    throw error
  }
}
