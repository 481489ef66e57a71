import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Witness } from "./Witness.ts"
import type { Job } from "./worker.ts"

/** A process under test, of which everything that it says is heard. */
export class Child {
  static start(job: Job, witness: Witness): Child {
    const env = { ...process.env, EVENTBUS_LAB_JOB: JSON.stringify(job) }
    const child = spawn(process.execPath, [join(import.meta.dirname, "worker.ts")], {
      env,
      stdio: ["ignore", "pipe", "pipe"]
    })
    return new Child(child, witness)
  }

  /** Whether its handlers are there, and its publishers if it has any. */
  isWorking = false
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(child: ChildProcess, witness: Witness) {
    this.#child = child
    this.#ended = once(child, "exit")
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on("line", (line) => {
        if (line === "working") this.isWorking = true
        else witness.heard(line)
      })
    }
  }

  /** Its exit code, or the signal that it ended by, once it has ended. */
  get end(): string | undefined {
    const { exitCode, signalCode } = this.#child
    return exitCode === null ? (signalCode ?? undefined) : `${exitCode}`
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends it for good, whatever it does. */
  async kill(): Promise<void> {
    if (this.end !== undefined) return
    this.signal("SIGKILL")
    await this.#ended
  }
}
