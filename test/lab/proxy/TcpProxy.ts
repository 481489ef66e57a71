import { once } from "node:events"
import { createServer } from "node:net"
import type { Server, Socket } from "node:net"
import { Link } from "./Link.ts"
import type { Direction, Filter } from "./Link.ts"

/** The way in which the proxy treats a new connection. */
type Door = "open" | "mute" | "shut"

/** A proxy in front of a broker that can disturb its connections. */
export class TcpProxy {
  static async open(target: number, filter?: (link: () => Link) => Filter): Promise<TcpProxy> {
    const proxy = new TcpProxy(target, filter)
    await proxy.#listen(0)
    return proxy
  }

  port = 0
  /** The number of connections accepted so far. */
  accepted = 0
  readonly #target: number
  readonly #filter: ((link: () => Link) => Filter) | undefined
  readonly #links = new Set<Link>()
  readonly #mute = new Set<Socket>()
  readonly #holes = new Set<Direction>()
  #rate = Number.POSITIVE_INFINITY
  #door: Door = "open"
  #server: Server | undefined

  private constructor(target: number, filter: ((link: () => Link) => Filter) | undefined) {
    this.#target = target
    this.#filter = filter
  }

  get connections(): number {
    return this.links.filter((link) => !link.isGone).length + this.#mute.size
  }

  get links(): ReadonlyArray<Link> {
    return [...this.#links]
  }

  /** Passes nothing on in these directions, without closing the connections. */
  blackHole(directions: ReadonlyArray<Direction> = ["up", "down"]): void {
    for (const direction of directions) this.#holes.add(direction)
    for (const link of this.#links) link.hold(directions)
  }

  slow(bytesPerSecond: number): void {
    this.#rate = bytesPerSecond
    for (const link of this.#links) link.slow(bytesPerSecond)
  }

  /** Accepts new connections without passing anything on. */
  acceptOnly(): void {
    this.#door = "mute"
  }

  /** Refuses new connections. */
  async refuse(): Promise<void> {
    this.#door = "shut"
    const server = this.#server
    this.#server = undefined
    // It stops listening at once. It closes only when its connections are closed, which is not awaited.
    server?.close()
  }

  cut(): void {
    for (const link of this.#links) link.reset()
  }

  fin(): void {
    for (const link of this.#links) link.fin()
  }

  async heal(): Promise<void> {
    this.#door = "open"
    this.#rate = Number.POSITIVE_INFINITY
    this.#holes.clear()
    for (const link of this.#links) link.heal()
    for (const socket of this.#mute) this.#join(socket)
    this.#mute.clear()
    if (this.#server === undefined) await this.#listen(this.port)
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    server?.close()
    for (const link of this.#links) link.destroy()
    for (const socket of this.#mute) socket.destroy()
  }

  #accept(socket: Socket): void {
    this.accepted += 1
    if (this.#door === "shut") return void socket.resetAndDestroy()
    if (this.#door === "open") return this.#join(socket)
    this.#mute.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => this.#mute.delete(socket))
    // A socket notices the end of its peer only while it is read.
    socket.on("readable", () => {})
    socket.on("end", () => socket.end())
  }

  #join(socket: Socket): void {
    if (socket.destroyed) return
    socket.removeAllListeners("readable")
    const filter = this.#filter?.(() => link)
    const link: Link = new Link(socket, this.#target, filter, (gone) => this.#links.delete(gone))
    this.#links.add(link)
    link.slow(this.#rate)
    link.hold([...this.#holes])
  }

  async #listen(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("The proxy does not listen")
    this.port = address.port
    this.#server = server
  }
}
