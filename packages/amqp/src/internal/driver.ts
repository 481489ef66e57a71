/**
 * The only file that uses amqplib. The others use only its types.
 *
 * @internal
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { Duplex } from "node:stream"
import { type ChannelModel, connect as amqpConnect } from "amqplib"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Endpoint, Settings } from "../AmqpOptions.ts"

const tlsOptions = ({ ca, cert, key, passphrase, servername }: Settings["tls"]) => ({
  ...(ca === undefined ? {} : { ca: typeof ca === "string" ? ca : [...ca] }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key: Redacted.value(key) }),
  ...(passphrase === undefined ? {} : { passphrase: Redacted.value(passphrase) }),
  ...(servername === undefined ? {} : { servername })
})

const socketOf = ({ connection }: ChannelModel): Duplex | undefined => {
  const socket: unknown = Reflect.get(connection, "stream")
  return socket instanceof Duplex ? socket : undefined
}

/** The version of amqplib whose internals this file knows. */
export const knownVersion = "2.3.1"

/** Throws when the internals of amqplib differ. To go on would silently lose the fixes of this file. */
const unknownInsides = (what: string): never => {
  throw new Error(`This amqplib has another inside than ${knownVersion}, the version this library knows: ${what}`)
}

/** Returns the number of channels that client and broker have agreed on (AMQP 0-9-1, section 1.4.2.6). */
export const channelMax = (model: ChannelModel): number => {
  const connection: unknown = Reflect.get(model, "connection")
  const most: unknown = typeof connection === "object" && connection !== null && Reflect.get(connection, "channelMax")
  return typeof most === "number" ? most : mostChannels
}

/** The number of channels that AMQP can distinguish. */
const mostChannels = 65_535

/** Ends a connection at once. A socket that is closed gently may keep unsent bytes and the process alive. */
export const destroy = (model: ChannelModel): void => {
  socketOf(model)?.destroy()
}

/**
 * Sends all frames of one turn of the event loop together. amqplib writes each frame
 * by itself, and a write is a system call, which costs as much as the rest of an
 * acknowledgement.
 */
const writeTogether = (model: ChannelModel): void => {
  const socket = socketOf(model) ?? unknownInsides("a connection has no stream")
  const write = socket.write.bind(socket)
  const uncork = () => socket.uncork()
  const corked = (...args: Parameters<typeof write>): boolean => {
    if (socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(uncork)
    }
    return write(...args)
  }
  Reflect.set(socket, "write", corked)
}

/** The smallest frame size that AMQP allows (AMQP 0-9-1, section 4.2.3). */
const leastFrame = 4096
/** The bytes of a frame besides its payload. */
const frameOverhead = 8

/** Returns the number of bytes that a frame may carry, as client and broker have agreed. */
export const frameRoom = ({ connection }: ChannelModel): number => {
  const frameMax: unknown = Reflect.get(connection, "frameMax")
  return (typeof frameMax === "number" ? frameMax : leastFrame) - frameOverhead
}

/** The channel numbers of amqplib. It takes the first free one from a given number on. */
interface Numbers {
  nextClearBit: (from: number) => number
}

const isNumbers = (u: unknown): u is Numbers =>
  typeof u === "object" && u !== null && "nextClearBit" in u && typeof u.nextClearBit === "function"

/**
 * Numbers channels in turn. amqplib takes the lowest free number. When the broker has
 * closed a channel, the opening of the next one could then overtake the close-ok of
 * the first, which waits behind all unsent frames. The broker would close the
 * connection.
 */
const numberInTurn = ({ connection }: ChannelModel): void => {
  const numbers: unknown = Reflect.get(connection, "freeChannels")
  const most: unknown = Reflect.get(connection, "channelMax")
  if (!isNumbers(numbers) || typeof most !== "number") return
  const free = numbers.nextClearBit.bind(numbers)
  let last = 0
  numbers.nextClearBit = (from) => {
    const next = free(last + 1)
    last = next > most ? free(from) : next
    return last
  }
}

/**
 * Returns whether a connection was closed before anyone could listen. Its close may
 * come in the same packet as its opening.
 */
const isOver = (model: ChannelModel): boolean => socketOf(model)?.writableEnded !== false

/** The frame type of message properties, and their class (AMQP 0-9-1, sections 4.2.3 and 4.2.6.1). */
const headerFrame = 2
const basicClass = 60

/** A frame that amqplib has read. */
interface Frame {
  readonly channel: number
  readonly id?: number
  readonly size?: number
  readonly fields?: object
}

/** The reader of amqplib. `recvFrame` takes the next frame off `rest`, and returns false when there is none yet. */
interface Reader {
  readonly rest: unknown
  readonly channels: ReadonlyArray<unknown>
  recvFrame: () => Frame | false
}

const isReader = (u: object): u is Reader =>
  "rest" in u &&
  Buffer.isBuffer(u.rest) &&
  "channels" in u &&
  Array.isArray(u.channels) &&
  "recvFrame" in u &&
  typeof u.recvFrame === "function"

/** Returns a frame of properties as amqplib would read it, but without properties. */
const withoutProperties = (bytes: unknown): Frame | undefined =>
  Buffer.isBuffer(bytes) && bytes[0] === headerFrame && bytes.length >= 8 + bytes.readUInt32BE(3)
    ? { id: basicClass, channel: bytes.readUInt16BE(1), size: Number(bytes.readBigUInt64BE(11)), fields: {} }
    : undefined

/**
 * Continues reading where amqplib would close the connection of all consumers.
 *
 * A message whose properties amqplib cannot read is delivered without them. amqplib
 * reads tables by recursion, and fails when they are thousands of levels deep or
 * contain an unknown type. The message would fail again and again, until the queue has
 * delivered it too often.
 *
 * A frame for a closed channel is dropped, as in RabbitMQ's Java client: RabbitMQ may
 * send frames that were on their way when it closed the channel.
 */
export const survive = ({ connection }: ChannelModel): void => {
  const reader: Reader = isReader(connection) ? connection : unknownInsides("a connection reads its frames differently")
  const { channels } = reader
  const receive = reader.recvFrame.bind(connection)
  const read = (): Frame | false => {
    const bytes = reader.rest
    try {
      return receive()
    } catch (error) {
      // Where it has not got past the frame, it is the frame that is wrong.
      const message = bytes === reader.rest ? undefined : withoutProperties(bytes)
      if (message === undefined) throw error
      return message
    }
  }
  reader.recvFrame = () => {
    let frame = read()
    while (frame !== false && !channels[frame.channel]) frame = read()
    return frame
  }
}

/**
 * The frame type of methods, and the method by which the broker closes a connection
 * (AMQP 0-9-1, section 1.4.2.9).
 */
const methodFrame = 1
const connectionClose = (10 << 16) | 50

/** The broker's reason for closing a connection that is being opened, in its own words. */
export class ConnectionClosed extends Error {
  readonly code: number

  constructor(code: number, text: string) {
    super(text)
    this.code = code
  }
}

/** Finds a complete connection.close in what the broker has sent. */
const closeIn = (said: Buffer): ConnectionClosed | undefined => {
  for (let at = 0; at + 8 <= said.length;) {
    const end = at + 7 + said.readUInt32BE(at + 3)
    if (end >= said.length) return undefined
    if (said[at] === methodFrame && end >= at + 14 && said.readUInt32BE(at + 7) === connectionClose) {
      return new ConnectionClosed(
        said.readUInt16BE(at + 11),
        said.toString("utf8", at + 14, Math.min(end, at + 14 + said.readUInt8(at + 13)))
      )
    }
    at = end + 1
  }
  return undefined
}

/** More bytes than a broker sends until a connection is open. */
const longestHandshake = 65_536

/**
 * Runs a function that creates a socket synchronously, and returns its result and
 * access to the bytes that the socket has received.
 */
const overhear = <A>(
  connect: () => A
): { readonly result: A; readonly said: () => Buffer; readonly stop: () => void } => {
  const chunks: Array<Buffer> = []
  let size = 0
  let socket: Duplex | undefined
  const listen = (message: unknown) => {
    if (typeof message !== "object" || message === null) return
    const made: unknown = Reflect.get(message, "socket")
    if (!(made instanceof Duplex)) return
    socket = made
    const read = made.read.bind(made)
    Reflect.set(made, "read", (...args: Parameters<typeof read>): unknown => {
      const chunk: unknown = read(...args)
      if (Buffer.isBuffer(chunk) && size < longestHandshake) {
        size += chunk.length
        chunks.push(chunk)
      }
      return chunk
    })
  }
  // amqplib makes its socket itself, and at once. Node says so of every socket (Node.js, Diagnostics Channel).
  subscribe("net.client.socket", listen)
  try {
    return {
      result: connect(),
      said: () => Buffer.concat(chunks),
      stop: () => socket !== undefined && Reflect.deleteProperty(socket, "read")
    }
  } finally {
    unsubscribe("net.client.socket", listen)
  }
}

/**
 * Connects, and passes the connection on at once, before an interruption can come
 * between. If the broker closed the connection, fails with its words, which amqplib
 * drops; otherwise with the error of amqplib. A connection that arrives after an
 * interruption is ended.
 */
export const connect = <A>(
  endpoint: Endpoint,
  settings: Settings,
  role: string,
  established: (model: ChannelModel) => A
): Effect.Effect<A, unknown> =>
  Effect.callback<A, unknown>((resume) => {
    let wanted = true
    const { result, said, stop } = overhear(() =>
      amqpConnect(
        {
          protocol: endpoint.protocol,
          hostname: endpoint.host,
          port: endpoint.port,
          username: endpoint.username,
          password: Redacted.value(endpoint.password),
          // amqplib reads it as a part of a URL.
          vhost: encodeURIComponent(endpoint.vhost),
          heartbeat: settings.heartbeatSeconds,
          channelMax: settings.channelMax,
          frameMax: settings.frameMax
        },
        {
          ...(endpoint.protocol === "amqps" ? tlsOptions(settings.tls) : {}),
          // One address that accepts and says nothing must leave time for the others.
          timeout: Math.ceil(settings.connectionTimeout / settings.endpoints.length),
          noDelay: true,
          clientProperties: { connection_name: `${settings.connectionName} (${role})` }
        }
      )
    )
    result.then(
      (model) => {
        stop()
        // Without a listener an error would end the process; what follows it is a `close`.
        model.on("error", () => {})
        try {
          survive(model)
          numberInTurn(model)
          writeTogether(model)
        } catch (error) {
          destroy(model)
          return resume(Effect.die(error))
        }
        if (wanted && !isOver(model)) return resume(Effect.succeed(established(model)))
        destroy(model)
        resume(Effect.fail("the connection was closed as soon as it was opened"))
      },
      (error: unknown) => resume(Effect.fail(closeIn(said()) ?? error))
    )
    return Effect.sync(() => {
      wanted = false
    })
  })
