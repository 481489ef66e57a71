/**
 * A proxy before the broker that cuts all its connections now and then.
 *
 * @since 0.1.0
 */

import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CommandFailed } from "../Problem.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Proxy {
  readonly port: number
  /** Cuts all connections, and returns their number. New ones are possible at once. */
  readonly cut: Effect.Effect<number>
}

/**
 * Starts a proxy on this machine. It ends with its scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (target: {
  readonly host: string
  readonly port: number
}): Effect.Effect<Proxy, CommandFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const open = new Set<Socket>()
    const server = createServer((client) => {
      const upstream = connect(target.port, target.host)
      const end = () => {
        open.delete(client)
        client.destroy()
        upstream.destroy()
      }
      open.add(client)
      for (const socket of [client, upstream]) socket.on("error", end).on("close", end)
      client.pipe(upstream)
      upstream.pipe(client)
    })
    const cut = Effect.sync(() => {
      const count = open.size
      for (const socket of open) socket.destroy()
      return count
    })
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        cut,
        Effect.sync(() => server.close())
      )
    )
    const port = yield* Effect.callback<number, CommandFailed>((resume) => {
      server.once("error", ({ message }) => resume(Effect.fail(new CommandFailed({ message }))))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        if (address !== null && typeof address === "object") resume(Effect.succeed(address.port))
      })
    })
    return { port, cut }
  })
