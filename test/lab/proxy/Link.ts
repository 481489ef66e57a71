import { connect } from "node:net"
import type { Socket } from "node:net"

/** The direction of a flow: `up` is towards the broker. */
export type Direction = "up" | "down"

/** The bytes that a filter passes on, and whether it cuts the connection behind them. */
export interface Verdict {
  readonly pass: Uint8Array
  readonly cut: boolean
}

export type Filter = (direction: Direction, chunk: Buffer) => Verdict

const tick = 50

/** One direction of a connection. It can be slowed down and held. */
class Flow {
  held = false
  /** Bytes per second. */
  rate = Number.POSITIVE_INFINITY
  readonly #from: Socket
  readonly #to: Socket
  #queue: Array<Uint8Array> = []
  #timer: NodeJS.Timeout | undefined
  #over: "fin" | "rst" | undefined
  #isFull = false

  constructor(from: Socket, to: Socket, receive: (chunk: Buffer) => void) {
    this.#from = from
    this.#to = to
    from.on("data", receive)
    from.on("end", () => this.#end("fin"))
    from.on("error", () => this.#end("rst"))
    to.on("drain", () => {
      this.#isFull = false
      this.update()
    })
  }

  /** Whether it waits for the receiver or for its rate. */
  get #waits(): boolean {
    return this.#isFull || this.#timer !== undefined
  }

  update(): void {
    if (this.held || this.#waits) this.#from.pause()
    else this.#from.resume()
    if (!this.held) this.#drain()
  }

  send(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#queue.push(bytes)
    this.update()
  }

  dispose(): void {
    clearTimeout(this.#timer)
  }

  #drain(): void {
    if (this.#timer !== undefined) return
    const most = Math.max(1, Math.floor((this.rate * tick) / 1000))
    while (this.#queue.length > 0) {
      const [head = Buffer.alloc(0)] = this.#queue
      this.#queue.shift()
      const part = head.subarray(0, most)
      if (part.length < head.length) this.#queue.unshift(head.subarray(most))
      if (this.#to.writable && !this.#to.write(part)) this.#isFull = true
      if (!Number.isFinite(this.rate)) continue
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.update()
      }, tick)
      this.#from.pause()
      return
    }
    if (this.#over === "fin") this.#to.end()
    if (this.#over === "rst") reset(this.#to)
  }

  #end(how: "fin" | "rst"): void {
    this.#over = how
    // A held flow does not pass on the end either.
    if (!this.held) this.#drain()
  }
}

/**
 * Resets a socket, or destroys it if it has already sent its FIN. libuv refuses to reset a socket that is shutting down.
 * Node 24.21 then regards it as closed, but it stays open, and the process never exits.
 */
const reset = (socket: Socket): void => {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** A connection through a proxy. */
export class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #flows: { readonly [D in Direction]: Flow }

  constructor(client: Socket, target: number, filter: Filter | undefined, closed: (link: Link) => void) {
    this.#client = client
    this.#server = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
    const receive = (direction: Direction) => (chunk: Buffer) => {
      const verdict = filter?.(direction, chunk) ?? { pass: chunk, cut: false }
      this.send(direction, verdict.pass)
      if (verdict.cut) this.#cutBehind(direction)
    }
    this.#flows = {
      up: new Flow(client, this.#server, receive("up")),
      down: new Flow(this.#server, client, receive("down"))
    }
    let open = 2
    for (const socket of [client, this.#server]) {
      socket.on("close", () => {
        open -= 1
        if (open > 0) return
        this.#each((flow) => flow.dispose())
        closed(this)
      })
    }
  }

  hold(directions: ReadonlyArray<Direction>): void {
    for (const direction of directions) this.#flows[direction].held = true
    this.#each((flow) => flow.update())
  }

  slow(bytesPerSecond: number): void {
    this.#each((flow) => {
      flow.rate = bytesPerSecond
    })
  }

  /** Passes on everything that was held, at full speed. */
  heal(): void {
    this.#each((flow) => {
      flow.held = false
      flow.rate = Number.POSITIVE_INFINITY
    })
    this.#each((flow) => flow.update())
  }

  send(direction: Direction, bytes: Uint8Array): void {
    this.#flows[direction].send(bytes)
  }

  reset(): void {
    reset(this.#client)
    reset(this.#server)
    this.#destroySoon()
  }

  fin(): void {
    this.#client.end()
    this.#server.end()
  }

  /** Describes its two sockets. */
  get state(): string {
    const show = (socket: Socket) => `${socket.readyState}${socket.isPaused() ? ", paused" : ""}`
    return `client ${show(this.#client)}, broker ${show(this.#server)}`
  }

  /** Whether both sockets are closed. */
  get isGone(): boolean {
    return this.#client.readyState === "closed" && this.#server.readyState === "closed"
  }

  destroy(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  /** Resets the sender and ends the receiver, which can still read what was sent before. A reset would discard it. */
  #cutBehind(direction: Direction): void {
    const [sender, receiver] = direction === "up" ? [this.#client, this.#server] : [this.#server, this.#client]
    reset(sender)
    receiver.end()
    this.#destroySoon()
  }

  /** A socket that is reset while it connects may never emit `close`. */
  #destroySoon(): void {
    setTimeout(() => this.destroy(), 500).unref()
  }

  #each(f: (flow: Flow) => void): void {
    f(this.#flows.up)
    f(this.#flows.down)
  }
}
