import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { buffer } from "node:stream/consumers"
import { Effect, type Scope } from "effect"
import * as S3Signature from "./s3Signature.ts"

/** The number of objects on a page. */
const pageSize = 20

/** A server that keeps objects as S3 does, and checks each signature. */
export interface S3Server {
  readonly endpoint: string
  /** The methods of the requests so far. */
  readonly requests: ReadonlyArray<string>
  /** Answers the next requests with these statuses. 0 ends the connection, and -1 gives no answer. */
  readonly failNext: (...statuses: ReadonlyArray<number>) => void
  /** Lets the last write of the objects whose keys end with a name be this long ago. */
  readonly age: (name: string, millis: number) => void
}

export const bucket = "payloads"
export const accessKeyId = "AKIATEST"
export const secretAccessKey = "s3-secret-of-the-tests"

const error = (response: ServerResponse, status: number, code: string) =>
  response.writeHead(status, { "content-type": "application/xml" }).end(`<Error><Code>${code}</Code></Error>`)

export const make: Effect.Effect<S3Server, never, Scope.Scope> = Effect.gen(function* () {
  const objects = new Map<string, { readonly bytes: Buffer; readonly modifiedAt: number }>()
  const requests = new Array<string>()
  const failing = new Array<number>()

  const list = (query: URLSearchParams, response: ServerResponse) => {
    const from = query.get("continuation-token") ?? ""
    const keys = [...objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "")).toSorted()
    // The token has characters that XML and a query escape.
    const after = from === "" ? keys : keys.filter((key) => key > from.slice("<&+/ ".length))
    const page = after.slice(0, pageSize)
    const isTruncated = after.length > pageSize
    const contents = page.map((key) => {
      const modified = new Date(objects.get(key)?.modifiedAt ?? 0).toISOString()
      return `<Contents><Key>${key.replaceAll("'", "&apos;")}</Key><LastModified>${modified}</LastModified><Size>1</Size></Contents>`
    })
    const next = isTruncated ? `<NextContinuationToken>&lt;&amp;+/ ${page.at(-1)}</NextContinuationToken>` : ""
    const body = `<?xml version="1.0"?>\n<ListBucketResult><Name>${bucket}</Name><IsTruncated>${isTruncated}</IsTruncated>${contents.join("")}${next}</ListBucketResult>`
    response.writeHead(200, { "content-type": "application/xml" }).end(body)
  }

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url = "" } = request
    const body = await buffer(request)
    requests.push(method)
    const failure = failing.shift()
    if (failure === -1) return
    if (failure === 0) return request.socket.destroy()
    if (failure !== undefined) return error(response, failure, "SlowDown")
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const signature = /Signature=([\da-f]+)$/.exec(headers["authorization"] ?? "")?.[1]
    if (!headers["authorization"]?.includes(`Credential=${accessKeyId}/`)) {
      return error(response, 403, "InvalidAccessKeyId")
    }
    if (signature !== S3Signature.expected({ method, target: url, headers }, secretAccessKey)) {
      return error(response, 403, "SignatureDoesNotMatch")
    }
    if (headers["x-amz-content-sha256"] !== createHash("sha256").update(body).digest("hex")) {
      return error(response, 400, "XAmzContentSHA256Mismatch")
    }
    const { pathname, searchParams } = new URL(url, "http://server")
    const [, name = "", ...rest] = pathname.split("/")
    if (name !== bucket) return error(response, 404, "NoSuchBucket")
    const key = rest.map(decodeURIComponent).join("/")
    if (key === "") return list(searchParams, response)
    const object = objects.get(key)
    switch (method) {
      case "PUT":
        objects.set(key, { bytes: body, modifiedAt: Date.now() })
        return response.writeHead(200).end()
      case "DELETE":
        objects.delete(key)
        return response.writeHead(204).end()
      default:
        if (object === undefined) return error(response, 404, "NoSuchKey")
        response.writeHead(200, {
          "content-length": object.bytes.length,
          "last-modified": new Date(object.modifiedAt).toUTCString()
        })
        return response.end(method === "HEAD" ? undefined : object.bytes)
    }
  }

  const server = createServer((request, response) => void answer(request, response))
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const address = server.address()
  const port = typeof address === "object" ? address?.port : undefined
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    failNext: (...statuses) => void failing.push(...statuses),
    age: (name, millis) => {
      for (const [key, object] of objects) {
        if (key.endsWith(name)) objects.set(key, { ...object, modifiedAt: Date.now() - millis })
      }
    }
  }
})
