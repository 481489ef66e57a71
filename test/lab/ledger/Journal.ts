import { closeSync, fstatSync, fsyncSync, openSync, readSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EventLedger } from "./EventLedger.ts"
import type { End, Entry } from "./EventLedger.ts"

const syncInterval = 100

/** The files that this process has created and deletes when it exits. */
const created = new Set<string>()

process.on("exit", () => created.forEach((path) => rmSync(path, { force: true })))

/**
 * A file of ledger entries. Each entry is written to the file first and then applied to the ledger.
 *
 * The entries survive a kill of this process. The file is synced to the disk ten times a second.
 */
export class Journal {
  static create(name: string): Journal {
    const path = join(tmpdir(), `eventbus-ledger-${process.pid}-${name}`)
    created.add(path)
    return new Journal(path)
  }

  readonly path: string
  readonly ledger = new EventLedger()
  /** Whether entries are also applied to the ledger. A process whose memory is measured keeps them in the file only. */
  isKept = true
  #followed = 0
  readonly #file: number
  readonly #timer: NodeJS.Timeout
  #isDirty = false

  /** Appends to a file, to which other processes may append as well. */
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

  /** Applies the new entries of other processes to the ledger. Use it only while this process writes none itself. */
  follow(): void {
    const file = openSync(this.path, "r")
    const bytes = Buffer.alloc(fstatSync(file).size - this.#followed)
    readSync(file, bytes, 0, bytes.length, this.#followed)
    closeSync(file)
    const end = bytes.lastIndexOf(0x0a) + 1
    this.#followed += end
    for (const line of bytes.toString("utf8", 0, end).split("\n").slice(0, -1)) this.ledger.apply(JSON.parse(line))
  }

  /** Returns the ledger of all entries in the file, including those of other processes. */
  read(): EventLedger {
    return EventLedger.read(this.path)
  }

  /** Closes the file, deletes it and returns the ledger of its entries. */
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
    // Synchronously, so that a kill loses no entry.
    writeSync(this.#file, `${JSON.stringify(entry)}\n`)
    this.#isDirty = true
    if (this.isKept) this.ledger.apply(entry)
  }

  #sync(): void {
    if (this.#isDirty) fsyncSync(this.#file)
    this.#isDirty = false
  }
}
