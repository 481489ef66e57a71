import { connect } from "node:net"
import type { Socket } from "node:net"
import { Effect } from "effect"
import type { Scope } from "effect"
import { server } from "./TcpServer.ts"

/** A way to a broker that can stop passing anything on, without a word to either side. */
export interface Proxy {
  readonly port: number
  /** Swallows what the connections of now still send, and opens no way for new ones. */
  readonly swallow: Effect.Effect<void>
  /** Lets new connections through. Those of before stay as they are. */
  readonly heal: Effect.Effect<void>
  /** Ends the connections of now. */
  readonly cut: Effect.Effect<void>
  /** Says something to the client of every connection, in the broker's name. */
  readonly tell: (bytes: Uint8Array) => Effect.Effect<void>
  /** How many connections there ever were. */
  readonly connections: () => number
}

export const to = (target: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pairs = new Set<readonly [Socket, Socket]>()
    let passes = true
    const port = yield* server((socket) => {
      if (!passes) return
      const onward = connect(target, "127.0.0.1")
      pairs.add([socket, onward])
      onward.on("error", () => {})
      for (const [from, to] of [
        [socket, onward],
        [onward, socket]
      ] as const) {
        from.pipe(to)
        from.on("close", () => to.destroy())
      }
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => pairs.forEach(([, onward]) => onward.destroy())))
    return {
      port,
      swallow: Effect.sync(() => {
        passes = false
        pairs.forEach((pair) => pair.forEach((socket) => socket.unpipe().resume().removeAllListeners("close")))
      }),
      cut: Effect.sync(() => pairs.forEach((pair) => pair.forEach((socket) => socket.destroy()))),
      heal: Effect.sync(() => {
        passes = true
      }),
      tell: (bytes) => Effect.sync(() => pairs.forEach(([socket]) => socket.write(bytes))),
      connections: () => pairs.size
    }
  })
