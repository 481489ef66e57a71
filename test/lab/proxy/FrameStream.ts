import type { Step } from "./Cut.ts"
import * as Frame from "./Frame.ts"
import type { Direction } from "./Link.ts"

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
  /** The number of bytes to come. */
  left: number
}

/** The frames of one connection in one direction. */
export class FrameStream {
  readonly #direction: Direction
  readonly #reader = new Frame.FrameReader()
  /** The incomplete content of each channel. */
  readonly #contents = new Map<number, Content>()

  constructor(direction: Direction) {
    this.#direction = direction
  }

  read(chunk: Buffer): ReadonlyArray<Frame.Frame> {
    return this.#reader.read(chunk)
  }

  /** Whether no message is incomplete, so that another method may be inserted here. */
  get isWhole(): boolean {
    return this.#contents.size === 0
  }

  /** Follows a frame, and returns the step that begins with it and the one that ends with it. */
  follow(frame: Frame.Frame): { readonly begins: Step | undefined; readonly ends: Step | undefined } {
    if (frame.type === Frame.methodFrame) {
      const step = steps[this.#direction].get(frame.method)
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
