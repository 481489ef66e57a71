import { createServer } from "node:net"
import type { Server, Socket } from "node:net"
import { Effect } from "effect"
import type { Scope } from "effect"

const portOf = (server: Server): number => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The server does not listen")
  return address.port
}

/** The port of a server that accepts, and does what it is told to. */
export const server = (accept: (socket: Socket) => void): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => {}))
      accept(socket)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          sockets.forEach((socket) => socket.destroy())
        })
    )
    return portOf(server)
  })

/** Returns a port without a listener. */
export const deadPort: Effect.Effect<number> = Effect.scoped(server(() => {}))
