import { createServer } from "node:http"
import { Effect } from "effect"

/** A request of an OTLP exporter. */
export interface Received {
  readonly path: string
  readonly body: string
}

/** Receives OTLP over HTTP, on a port of its own, for as long as the scope is open. */
export const otlpReceiver = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly baseUrl: string; readonly received: Array<Received>; readonly stop: () => Promise<void> }>(
        (resolve) => {
          const received: Array<Received> = []
          const server = createServer((request, response) => {
            let body = ""
            request.setEncoding("utf8")
            request.on("data", (chunk) => (body += chunk))
            request.on("end", () => {
              received.push({ path: request.url ?? "", body })
              response.setHeader("content-type", "application/json").end("{}")
            })
          })
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            const port = typeof address === "object" && address !== null ? address.port : 0
            const stop = () =>
              new Promise<void>((resolve) => {
                server.close(() => resolve())
                server.closeAllConnections()
              })
            resolve({ baseUrl: `http://127.0.0.1:${port}`, received, stop })
          })
        }
      )
  ),
  ({ stop }) => Effect.promise(stop)
)
