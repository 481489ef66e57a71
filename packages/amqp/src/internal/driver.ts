/**
 * The one file that uses amqplib itself; the others know its types.
 *
 * @internal
 */

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

const socketOf = (model: ChannelModel): Duplex | undefined => {
  const socket: unknown = Reflect.get(model.connection, "stream")
  return socket instanceof Duplex ? socket : undefined
}

/** Ends a connection at once. A socket that is only ended may keep unsent bytes, and the process, alive. */
export const destroy = (model: ChannelModel): void => {
  socketOf(model)?.destroy()
}

/** Whether a connection was closed before anyone could listen: its close may come in the same packet as its opening. */
const isOver = (model: ChannelModel): boolean => socketOf(model)?.writableEnded !== false

/**
 * Connects, and fails with whatever amqplib fails with. A connection that comes
 * after the interruption is ended.
 */
export const connect = (endpoint: Endpoint, settings: Settings, role: string): Effect.Effect<ChannelModel, unknown> =>
  Effect.callback<ChannelModel, unknown>((resume) => {
    let wanted = true
    amqpConnect(
      {
        protocol: endpoint.protocol,
        hostname: endpoint.host,
        port: endpoint.port,
        username: endpoint.username,
        password: Redacted.value(endpoint.password),
        vhost: endpoint.vhost,
        heartbeat: settings.heartbeatSeconds
      },
      {
        ...(endpoint.protocol === "amqps" ? tlsOptions(settings.tls) : {}),
        // One address that accepts and says nothing must leave time for the others.
        timeout: Math.ceil(settings.connectionTimeout / settings.endpoints.length),
        noDelay: true,
        clientProperties: { connection_name: `${settings.connectionName} (${role})` }
      }
    ).then(
      (model) => {
        // Without a listener an error would end the process; what follows it is a `close`.
        model.on("error", () => {})
        if (wanted && !isOver(model)) return resume(Effect.succeed(model))
        destroy(model)
        resume(Effect.fail("the connection was closed as soon as it was opened"))
      },
      (error: unknown) => resume(Effect.fail(error))
    )
    return Effect.sync(() => {
      wanted = false
    })
  })
