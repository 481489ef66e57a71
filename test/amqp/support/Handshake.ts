import type { Effect, Scope } from "effect"
import { server } from "./TcpServer.ts"

const short = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
const long = (value: number): Buffer =>
  Buffer.from([value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255])
const shortText = (text: string): Buffer => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)])
const longText = (text: string): Buffer => Buffer.concat([long(Buffer.byteLength(text)), Buffer.from(text)])

/** A method of the class `connection`, as a frame of its own (AMQP 0-9-1, section 4.2.4). */
const frame = (method: number, ...fields: ReadonlyArray<Buffer>): Buffer => {
  const payload = Buffer.concat([short(10), short(method), ...fields])
  return Buffer.concat([Buffer.from([1, 0, 0]), long(payload.length), payload, Buffer.from([0xce])])
}

/** The frames of a broker that refuses a connection, in turn. */
const refusal = (code: number, text: string): ReadonlyArray<Buffer> => [
  frame(10, Buffer.from([0, 9]), long(0), longText("PLAIN"), longText("en_US")),
  frame(30, short(2047), long(131_072), short(60)),
  frame(50, short(code), shortText(text), short(10), short(40))
]

/** The port of a broker that closes every connection which is being opened, and says why. */
export const refusing = (code: number, text: string): Effect.Effect<number, never, Scope.Scope> =>
  server((socket) => {
    const frames = [...refusal(code, text)]
    socket.on("data", () => {
      const next = frames.shift()
      if (next !== undefined) socket.write(next)
    })
  })
