import { closeSync, fstatSync, fsyncSync, openSync, readSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EventLedger } from "./EventLedger.ts"
import type { End, Entry } from "./EventLedger.ts"

const syncInterval = 100

/** The files that this process has made, and is to remove however it ends. */
const created = new Set<string>()

process.on("exit", () => created.forEach((path) => rmSync(path, { force: true })))

/**
 * Where entries go as they are seen: to a file first, and then into the ledger.
 *
 * What was written outlives this process, however it ends; the file is synced to the disk ten times a second.
 */
export class Journal {
  static create(name: string): Journal {
    const path = join(tmpdir(), `eventbus-ledger-${process.pid}-${name}`)
    created.add(path)
    return new Journal(path)
  }

  readonly path: string
  readonly ledger = new EventLedger()
  /** Whether entries go into the ledger, too. A process that must not grow by them has them in the file alone. */
  isKept = true
  #followed = 0
  readonly #file: number
  readonly #timer: NodeJS.Timeout
  #isDirty = false

  /** Appends to a file, which may be another process's too. */
  constructor(path: string) {
    this.path = path
    this.#file = openSync(path, "a")
    this.#timer = setInterval(() => this.#sync(), syncInterval)
    this.#timer.unref()
  }

  attempted(id: string, queues: ReadonlyArray<string>, end: End, script: string): void {
    this.#enter({ kind: "attempted", at: Date.now(), id, queues, end, script })
  }

  confirmed(id: string): void {
    this.#enter({ kind: "confirmed", at: Date.now(), id })
  }

  failed(id: string, reason: string): void {
    this.#enter({ kind: "failed", at: Date.now(), id, reason })
  }

  handled(id: string, queue: string): void {
    this.#enter({ kind: "handled", at: Date.now(), id, queue })
  }

  dead(id: string, queue: string, reason: string): void {
    this.#enter({ kind: "dead", at: Date.now(), id, queue, reason })
  }

  left(id: string, queue: string): void {
    this.#enter({ kind: "left", at: Date.now(), id, queue })
  }

  /** Takes into the ledger what other processes have entered since. Only for who enters nothing itself meanwhile. */
  follow(): void {
    const file = openSync(this.path, "r")
    const bytes = Buffer.alloc(fstatSync(file).size - this.#followed)
    readSync(file, bytes, 0, bytes.length, this.#followed)
    closeSync(file)
    const end = bytes.lastIndexOf(0x0a) + 1
    this.#followed += end
    for (const line of bytes.toString("utf8", 0, end).split("\n").slice(0, -1)) this.ledger.apply(JSON.parse(line))
  }

  /** The ledger that the file amounts to: what other processes have entered is in it, too. */
  read(): EventLedger {
    return EventLedger.read(this.path)
  }

  /** Closes the file and reads the ledger from it, so that what counts is what was written. */
  close(): EventLedger {
    clearInterval(this.#timer)
    this.#sync()
    closeSync(this.#file)
    const written = this.read()
    rmSync(this.path)
    created.delete(this.path)
    return written
  }

  #enter(entry: Entry): void {
    // Written at once: a kill must not take what was already seen.
    writeSync(this.#file, `${JSON.stringify(entry)}\n`)
    this.#isDirty = true
    if (this.isKept) this.ledger.apply(entry)
  }

  #sync(): void {
    if (this.#isDirty) fsyncSync(this.#file)
    this.#isDirty = false
  }
}
