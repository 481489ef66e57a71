import * as Frame from "./Frame.ts"
import type { Direction, Filter, Link, Verdict } from "./Link.ts"
import type { Random } from "./Random.ts"
import { TcpProxy } from "./TcpProxy.ts"

/** What a cut can wait for. */
export type Step = "publish" | "return" | "confirm" | "deliver" | "ack"

/** One cut: at which occurrence of what, counted from the cut before, and how much of the connections goes. */
export interface Cut {
  readonly step: Step
  readonly nth: number
  readonly side: "before" | "after"
  readonly all: boolean
}

export const show = ({ all, nth, side, step }: Cut): string => `${side} ${step} ${nth}${all ? ", all" : ""}`

/** Draws a cut. The occurrences are as many as a tiny workload has. */
export const draw = (random: Random, most: number): Cut => ({
  step: random.pick(["publish", "publish", "confirm", "confirm", "deliver", "deliver", "ack", "ack", "return"]),
  nth: random.int(1, most),
  side: random.pick(["before", "after"]),
  all: random.next() < 0.4
})

const steps: { readonly [D in Direction]: ReadonlyMap<number, Step> } = {
  up: new Map([
    [Frame.Method.basicPublish, "publish"],
    [Frame.Method.basicAck, "ack"]
  ]),
  down: new Map([
    [Frame.Method.basicReturn, "return"],
    [Frame.Method.basicDeliver, "deliver"],
    [Frame.Method.basicAck, "confirm"],
    [Frame.Method.basicNack, "confirm"]
  ])
}

const carriesContent = new Set<number>([
  Frame.Method.basicPublish,
  Frame.Method.basicReturn,
  Frame.Method.basicDeliver,
  Frame.Method.basicGetOk
])

interface Content {
  readonly step: Step | undefined
  left: number
}

/** One direction of one connection, as frames. */
class Lane {
  readonly #reader = new Frame.FrameReader()
  /** The content that is not complete yet, by channel. */
  readonly #contents = new Map<number, Content>()

  read(chunk: Buffer): ReadonlyArray<Frame.Frame> {
    return this.#reader.read(chunk)
  }

  /** Whether another method may come here without tearing a message apart. */
  get isWhole(): boolean {
    return this.#contents.size === 0
  }

  /** Follows a frame, and says which step begins with it, and which one is complete with it. */
  follow(
    direction: Direction,
    frame: Frame.Frame
  ): { readonly begins: Step | undefined; readonly ends: Step | undefined } {
    if (frame.type === Frame.methodFrame) {
      const step = steps[direction].get(frame.method)
      if (!carriesContent.has(frame.method)) return { begins: step, ends: step }
      this.#contents.set(frame.channel, { step, left: -1 })
      return { begins: step, ends: undefined }
    }
    const content = this.#contents.get(frame.channel)
    if (content === undefined) return { begins: undefined, ends: undefined }
    if (frame.type === Frame.headerFrame) content.left = Frame.bodySize(frame)
    if (frame.type === Frame.bodyFrame) content.left -= frame.bytes.length - 8
    if (content.left > 0) return { begins: undefined, ends: undefined }
    this.#contents.delete(frame.channel)
    return { begins: undefined, ends: content.step }
  }
}

/** How the broker closed a connection or a channel. */
export interface Closed {
  readonly code: number
  readonly text: string
}

/** A proxy that knows AMQP: it sees why the broker closes things, cuts at a frame, and can say something itself. */
export class FrameProxy {
  static async open(target: number, cuts: ReadonlyArray<Cut> = []): Promise<FrameProxy> {
    const self = new FrameProxy(cuts)
    self.#tcp = await TcpProxy.open(target, (link) => self.#filter(link))
    return self
  }

  /** What the broker closed, and why. */
  readonly closes: Array<Closed> = []
  /** How many consumers the broker has cancelled. */
  cancels = 0
  /** The cuts that came to pass. */
  readonly done: Array<Cut> = []
  readonly #cuts: Array<Cut>
  readonly #counts = new Map<string, number>()
  #awaited: Awaited | undefined
  readonly #sayings: Array<(lane: Channels) => Uint8Array | undefined> = []
  #tcp: TcpProxy | undefined

  private constructor(cuts: ReadonlyArray<Cut>) {
    this.#cuts = [...cuts]
  }

  get tcp(): TcpProxy {
    if (this.#tcp === undefined) throw new Error("The proxy is not open")
    return this.#tcp
  }

  /** Says something to the broker in the client's name, on the first connection for which `make` has something to say. */
  say(make: (channels: Channels) => Uint8Array | undefined): void {
    this.#sayings.push(make)
  }

  /** Calls back when the broker confirms the next publish under a routing key that begins so, before the client knows. */
  onConfirm(prefix: string, f: () => void): void {
    this.#awaited = { prefix, f, number: undefined, channel: undefined }
  }

  #filter(link: () => Link): Filter {
    const lanes = { up: new Lane(), down: new Lane() }
    const channels: Channels = { publishing: new Set(), consuming: new Set(), published: new Map() }
    return (direction, chunk): Verdict => {
      const lane = lanes[direction]
      const pass: Array<Uint8Array> = []
      for (const frame of lane.read(chunk)) {
        this.#watch(direction, frame, channels)
        const { begins, ends } = lane.follow(direction, frame)
        if (begins !== undefined && this.#strikes(begins, "before", link)) return { pass: join(pass), cut: true }
        pass.push(frame.bytes)
        if (ends !== undefined && this.#strikes(ends, "after", link)) return { pass: join(pass), cut: true }
        if (direction === "up" && lane.isWhole && frame.type !== 0) pass.push(...this.#speak(channels))
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

  #speak(channels: Channels): ReadonlyArray<Uint8Array> {
    const [make] = this.#sayings
    const words = make?.(channels)
    if (words === undefined) return []
    this.#sayings.shift()
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

/** A publish whose confirm somebody waits for. */
interface Awaited {
  readonly prefix: string
  readonly f: () => void
  /** Its number on its channel, by which it is confirmed. */
  number: number | undefined
  channel: number | undefined
}

/** The channels of a connection on which something was published, or delivered. */
export interface Channels {
  readonly publishing: Set<number>
  /** How much was published on each since it was opened. */
  readonly published: Map<number, number>
  readonly consuming: Set<number>
}

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = parts
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)
}
