import { connect } from "amqplib"
import { Effect } from "effect"
import type { Scope } from "effect"

/** An encoded header table (AMQP 0-9-1, section 4.2.5.5). It may hold what no client library encodes. */
export type Table = Buffer

const u16 = (n: number) => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(n)
  return bytes
}
const u32 = (n: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n)
  return bytes
}
const u64 = (n: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(n)
  return bytes
}
const short = (bytes: Buffer) => Buffer.concat([Buffer.of(bytes.length), bytes])
const long = (bytes: Buffer) => Buffer.concat([u32(bytes.length), bytes])

/** Encodes a field of the type that a tag names. */
export const field = (key: string, tag: string, value: Buffer): Buffer =>
  Buffer.concat([short(Buffer.from(key)), Buffer.from(tag), value])

export const text = (key: string, value: string): Buffer => field(key, "S", long(Buffer.from(value)))
export const table = (...fields: ReadonlyArray<Buffer>): Table => long(Buffer.concat(fields))
export const unsigned64 = (key: string, value: bigint): Buffer => field(key, "L", u64(value))

/** Encodes tables nested in tables. */
export const nested = (depth: number): Table => {
  // Each table is 6 bytes longer than the one inside it: an empty key, the tag and the length.
  const bytes = Buffer.alloc(4 + 6 * depth)
  for (let level = 0; level < depth; level++) {
    const at = 6 * level
    bytes.writeUInt32BE(bytes.length - at - 4, at)
    bytes.write("F", at + 5)
  }
  return bytes
}

export interface Properties {
  readonly headers?: Table
  readonly messageId?: Buffer
  readonly timestamp?: bigint
  readonly expiration?: string
}

/** Encodes a content header: the flags, and the properties in the order of their flags. */
const contentHeader = (size: number, { expiration, headers, messageId, timestamp }: Properties): Buffer => {
  const parts: Array<Buffer> = [short(Buffer.from("application/json"))]
  let flags = 0x8000 | 0x1000
  if (headers !== undefined) {
    flags |= 0x2000
    parts.push(headers)
  }
  parts.push(Buffer.of(2))
  if (expiration !== undefined) {
    flags |= 0x0100
    parts.push(short(Buffer.from(expiration)))
  }
  if (messageId !== undefined) {
    flags |= 0x0080
    parts.push(short(messageId))
  }
  if (timestamp !== undefined) {
    flags |= 0x0040
    parts.push(u64(timestamp))
  }
  return Buffer.concat([u16(60), u16(0), u64(BigInt(size)), u16(flags), ...parts])
}

const frame = (type: number, channel: number, payload: Buffer) =>
  Buffer.concat([Buffer.of(type), u16(channel), long(payload), Buffer.of(0xce)])

/** Publishes a message as raw frames, and returns whether the broker took it or closed the channel. */
export const publish = (
  url: string,
  to: { readonly exchange: string; readonly routingKey: string },
  body: Uint8Array | string,
  properties: Properties
): Effect.Effect<"taken" | "refused", never, Scope.Scope> =>
  Effect.gen(function* () {
    const model = yield* Effect.acquireRelease(
      Effect.promise(() => connect(url, { timeout: 60_000 })),
      (model) => Effect.promise(() => model.close().catch(() => {})).pipe(Effect.timeoutOption("2 seconds"))
    )
    model.on("error", () => {})
    const channel = yield* Effect.promise(() => model.createChannel())
    channel.on("error", () => {})
    const ended = new Promise<"refused">((resolve) => channel.once("close", () => resolve("refused")))
    const number: number = Reflect.get(channel, "ch")
    const content = Buffer.from(body)
    const method = Buffer.concat([
      u16(60),
      u16(40),
      u16(0),
      short(Buffer.from(to.exchange)),
      short(Buffer.from(to.routingKey)),
      Buffer.of(0)
    ])
    const bytes = [frame(1, number, method), frame(2, number, contentHeader(content.length, properties))]
    if (content.length > 0) bytes.push(frame(3, number, content))
    Reflect.get(model.connection, "stream").write(Buffer.concat(bytes))
    // Methods are processed in order, so the answer to a later method shows that the publish was taken.
    const answered = channel.checkExchange(to.exchange).then(
      () => "taken" as const,
      () => "refused" as const
    )
    return yield* Effect.promise(() => Promise.race([answered, ended]))
  })
