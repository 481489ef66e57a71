/** A frame of AMQP 0-9-1 (section 4.2.3), or the protocol header that precedes all frames. */
export interface Frame {
  readonly type: number
  readonly channel: number
  /** The class and the method as `0x00CC00MM`, or 0 if the frame is no method. */
  readonly method: number
  /** The bytes on the wire. */
  readonly bytes: Buffer
}

export const methodFrame = 1
export const headerFrame = 2
export const bodyFrame = 3

const id = (classId: number, methodId: number): number => (classId << 16) | methodId

export const Method = {
  connectionClose: id(10, 50),
  channelOpen: id(20, 10),
  channelClose: id(20, 40),
  basicCancel: id(60, 30),
  basicPublish: id(60, 40),
  basicReturn: id(60, 50),
  basicDeliver: id(60, 60),
  basicGetOk: id(60, 71),
  basicAck: id(60, 80),
  basicNack: id(60, 120)
} as const

const endMark = 0xce

/** Encodes a method frame. */
export const method = (channel: number, method: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(11)
  head.writeUInt8(methodFrame, 0)
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(4 + payload.length, 3)
  head.writeUInt32BE(method, 7)
  return Buffer.concat([head, payload, Buffer.of(endMark)])
}

/** Returns the size of the body that a content header announces. */
export const bodySize = ({ bytes }: Frame): number => Number(bytes.readBigUInt64BE(11))

/** Returns the routing key of a `basic.publish`. */
export const routingKey = ({ bytes }: Frame): string => {
  const at = 14 + bytes.readUInt8(13)
  return bytes.toString("utf8", at + 1, at + 1 + bytes.readUInt8(at))
}

/** Returns the delivery tag of a `basic.ack` and whether it includes all earlier ones. */
export const acknowledged = ({ bytes }: Frame): { readonly tag: number; readonly multiple: boolean } => ({
  tag: Number(bytes.readBigUInt64BE(11)),
  multiple: (bytes.readUInt8(19) & 1) === 1
})

/** Returns the reply code and text of a `connection.close` or `channel.close`. */
export const closeReason = ({ bytes }: Frame): { readonly code: number; readonly text: string } => ({
  code: bytes.readUInt16BE(11),
  text: bytes.toString("utf8", 14, 14 + bytes.readUInt8(13))
})

/** Splits a stream of bytes into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  read(chunk: Buffer): ReadonlyArray<Frame> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Array<Frame> = []
    let at = 0
    while (bytes.length - at >= 8) {
      // No frame type is the "A" of the protocol header "AMQP0091".
      const isHeader = bytes[at] === 0x41
      const size = isHeader ? 8 : 8 + bytes.readUInt32BE(at + 3)
      if (bytes.length - at < size) break
      const type = isHeader ? 0 : bytes.readUInt8(at)
      frames.push({
        type,
        channel: isHeader ? 0 : bytes.readUInt16BE(at + 1),
        method: type === methodFrame ? bytes.readUInt32BE(at + 7) : 0,
        bytes: bytes.subarray(at, at + size)
      })
      at += size
    }
    this.#rest = bytes.subarray(at)
    return frames
  }
}
