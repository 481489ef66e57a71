import type { Cut, Step } from "./Cut.ts"
import * as Frame from "./Frame.ts"
import { FrameStream } from "./FrameStream.ts"
import type { Direction, Filter, Link, Verdict } from "./Link.ts"
import { TcpProxy } from "./TcpProxy.ts"

/** The reason for which the broker closed a connection or a channel. */
export interface Closed {
  readonly code: number
  readonly text: string
}

/** A proxy that reads AMQP: it records why the broker closes channels, cuts connections at frames, and inserts methods. */
export class FrameProxy {
  static async open(target: number, cuts: ReadonlyArray<Cut> = []): Promise<FrameProxy> {
    const self = new FrameProxy(cuts)
    self.#tcp = await TcpProxy.open(target, (link) => self.#filter(link))
    return self
  }

  /** The reasons for which the broker closed channels and connections. */
  readonly closes: Array<Closed> = []
  /** The number of consumers that the broker has cancelled. */
  cancels = 0
  /** The cuts that were made. */
  readonly done: Array<Cut> = []
  readonly #cuts: Array<Cut>
  readonly #counts = new Map<string, number>()
  #awaited: Awaited | undefined
  /** The number of deliveries that are still to be lost. */
  #toLose = 0
  readonly #insertions: Array<(channels: Channels) => Uint8Array | undefined> = []
  #tcp: TcpProxy | undefined

  private constructor(cuts: ReadonlyArray<Cut>) {
    this.#cuts = [...cuts]
  }

  get tcp(): TcpProxy {
    if (this.#tcp === undefined) throw new Error("The proxy is not open")
    return this.#tcp
  }

  /** Sends bytes to the broker in the client's name, on the first connection for which `make` returns some. */
  insert(make: (channels: Channels) => Uint8Array | undefined): void {
    this.#insertions.push(make)
  }

  /** Loses the next deliveries on their way to the client. The broker waits for their acknowledgements. */
  lose(deliveries: number): void {
    this.#toLose += deliveries
  }

  /** Calls `f` when the broker confirms the next publish whose routing key has a prefix, before the client hears of it. */
  onConfirm(prefix: string, f: () => void): void {
    this.#awaited = { prefix, f, number: undefined, channel: undefined }
  }

  #filter(link: () => Link): Filter {
    const streams = { up: new FrameStream("up"), down: new FrameStream("down") }
    const channels: Channels = { publishing: new Set(), consuming: new Set(), published: new Map() }
    /** The channels whose present delivery is being lost. */
    const losing = new Set<number>()
    return (direction, chunk): Verdict => {
      const stream = streams[direction]
      const pass: Array<Uint8Array> = []
      for (const frame of stream.read(chunk)) {
        this.#watch(direction, frame, channels)
        const { begins, ends } = stream.follow(frame)
        if (begins !== undefined && this.#strikes(begins, "before", link)) return { pass: join(pass), cut: true }
        if (begins === "deliver" && this.#toLose > 0) {
          this.#toLose -= 1
          losing.add(frame.channel)
        }
        if (!losing.has(frame.channel)) pass.push(frame.bytes)
        else if (ends === "deliver") losing.delete(frame.channel)
        if (ends !== undefined && this.#strikes(ends, "after", link)) return { pass: join(pass), cut: true }
        if (direction === "up" && stream.isWhole && frame.type !== 0) pass.push(...this.#insert(channels))
      }
      return { pass: join(pass), cut: false }
    }
  }

  #watch(direction: Direction, frame: Frame.Frame, { consuming, published, publishing }: Channels): void {
    if (direction === "up" && frame.method === Frame.Method.channelOpen) published.delete(frame.channel)
    if (direction === "up" && frame.method === Frame.Method.basicPublish) {
      const number = (published.get(frame.channel) ?? 0) + 1
      publishing.add(frame.channel)
      published.set(frame.channel, number)
      this.#expect(frame, number)
    }
    if (direction === "down" && frame.method === Frame.Method.basicAck) this.#confirm(frame)
    if (direction === "down" && frame.method === Frame.Method.basicDeliver) consuming.add(frame.channel)
    if (direction === "down" && frame.method === Frame.Method.basicCancel) this.cancels++
    // Nothing can be inserted into a channel that is gone.
    if (frame.method === Frame.Method.channelClose) {
      publishing.delete(frame.channel)
      consuming.delete(frame.channel)
    }
    const closes = frame.method === Frame.Method.channelClose || frame.method === Frame.Method.connectionClose
    if (direction === "down" && closes) this.closes.push(Frame.closeReason(frame))
  }

  #expect(frame: Frame.Frame, number: number): void {
    const awaited = this.#awaited
    if (awaited === undefined || awaited.number !== undefined) return
    if (!Frame.routingKey(frame).startsWith(awaited.prefix)) return
    awaited.number = number
    awaited.channel = frame.channel
  }

  #confirm(frame: Frame.Frame): void {
    const awaited = this.#awaited
    if (awaited?.number === undefined || awaited.channel !== frame.channel) return
    const { multiple, tag } = Frame.acknowledged(frame)
    if (tag !== awaited.number && !(multiple && tag > awaited.number)) return
    this.#awaited = undefined
    awaited.f()
  }

  #insert(channels: Channels): ReadonlyArray<Uint8Array> {
    const [make] = this.#insertions
    const words = make?.(channels)
    if (words === undefined) return []
    this.#insertions.shift()
    return [words]
  }

  #strikes(step: Step, side: Cut["side"], link: () => Link): boolean {
    const [cut] = this.#cuts
    if (cut === undefined) return false
    const key = `${side} ${step}`
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    if (cut.step !== step || cut.side !== side || cut.nth !== count) return false
    this.#cuts.shift()
    this.#counts.clear()
    this.done.push(cut)
    if (cut.all) for (const other of this.tcp.links) if (other !== link()) other.reset()
    return true
  }
}

/** A publish whose confirm is awaited. */
interface Awaited {
  readonly prefix: string
  readonly f: () => void
  /** Its number on its channel. The broker confirms it by this number. */
  number: number | undefined
  channel: number | undefined
}

/** The channels of a connection that have published or delivered messages. */
export interface Channels {
  readonly publishing: Set<number>
  /** The number of publishes on each channel since it was opened. */
  readonly published: Map<number, number>
  readonly consuming: Set<number>
}

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = parts
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)
}
