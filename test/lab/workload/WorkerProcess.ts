import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { BusMonitor } from "./BusMonitor.ts"
import type { Job } from "./workerMain.ts"

const mb = 2 ** 20

/** A worker process under test. Its output goes to a monitor. */
export class WorkerProcess {
  static start(job: Job, monitor: BusMonitor): WorkerProcess {
    const env = { ...process.env, EVENTBUS_LAB_JOB: JSON.stringify(job) }
    // Where the bus of the lab is broken on purpose, so is the bus of its processes.
    const options = [...process.execArgv, "--expose-gc"]
    const child = spawn(process.execPath, [...options, join(import.meta.dirname, "workerMain.ts")], {
      env,
      stdio: ["pipe", "pipe", "pipe"]
    })
    return new WorkerProcess(child, monitor)
  }

  /** Whether its subscriptions and publishers have started. */
  isWorking = false
  /** Its memory in MB, once a second. */
  readonly memory: Array<{ readonly at: number; readonly heap: number; readonly rss: number }> = []
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(child: ChildProcess, monitor: BusMonitor) {
    this.#child = child
    this.#ended = once(child, "exit")
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on("line", (line) => {
        const [word, heap, rss] = line.split(" ")
        if (word === "working") this.isWorking = true
        else if (word === "memory") this.memory.push({ at: Date.now(), heap: Number(heap) / mb, rss: Number(rss) / mb })
        else monitor.addLogLine(line)
      })
    }
  }

  /** The exit code or the signal that ended it, or `undefined` while it runs. */
  get end(): string | undefined {
    const { exitCode, signalCode } = this.#child
    return exitCode === null ? (signalCode ?? undefined) : `${exitCode}`
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Kills it, unless it has already ended. */
  async kill(): Promise<void> {
    if (this.end !== undefined) return
    this.signal("SIGKILL")
    await this.#ended
  }
}
