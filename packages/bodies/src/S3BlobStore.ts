/**
 * A store of blobs in a bucket, by the HTTP API of S3, which other stores have, too.
 *
 * @since 0.1.0
 */

import { createHash } from "node:crypto"
import { AwsV4Signer } from "aws4fetch"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { BlobStore, BlobStoreError, tooLarge } from "./BlobStore.ts"
import * as S3Listing from "./internal/s3Listing.ts"

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The address of the store, such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string
  readonly region: string
  /** The bucket. It must exist. */
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken?: Redacted.Redacted | undefined
  /** The beginning of the keys of all blobs, such as `blobs/`. Default: none. */
  readonly prefix?: string | undefined
  /** The time that one request may take. Default: 30 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/** A blob that was used a shorter time ago is not uploaded again. */
const renewedFor = Duration.toMillis("1 hour")

/** The delays before a request is made again: three times at most. */
const retries = Schedule.exponential("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 3 }))

const keyPattern = /^[A-Za-z0-9!_.'()/-]*$/

const failed = (detail: string, reason: BlobStoreError["reason"] = "Unavailable") =>
  new BlobStoreError({ reason, detail })

/** A request, and the statuses that are answers to it beside 200. */
interface Request {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE"
  readonly url: string
  readonly body?: Uint8Array
}

/**
 * Creates a layer with a store in a bucket, by any `HttpClient`. Requests are signed with
 * AWS Signature Version 4, and name the bucket in their path.
 *
 * **Details**
 *
 * A request that is not answered, or answered with a status of 429 or 5xx, is made again,
 * three times within two seconds. Bytes are checked by the store on their way in.
 *
 * The time of a blob is the time of its upload. A `put` of a blob that is there uploads it
 * again only if that was more than an hour ago. So `ClaimCheck.sweep` needs an hour more.
 *
 * The credentials need `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject` and, for a sweep,
 * `s3:ListBucket`. Let the bucket expire no objects by itself.
 *
 * Throws a `RangeError` if the prefix has other characters than letters, digits and those
 * of `!_.'()/-`.
 *
 * **Example** (Large payloads in a bucket)
 *
 * ```ts
 * import { BlobStore, S3BlobStore } from "@effect-eventbus/bodies"
 * import { Layer, Redacted } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const Blobs: Layer.Layer<BlobStore.BlobStore> = S3BlobStore.layer({
 *   endpoint: "https://s3.eu-central-1.amazonaws.com",
 *   region: "eu-central-1",
 *   bucket: "payloads",
 *   accessKeyId: "AKIA…",
 *   secretAccessKey: Redacted.make("…")
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<BlobStore, never, HttpClient.HttpClient> => {
  const { accessKeyId, bucket, prefix = "", region, timeout = "30 seconds" } = options
  if (!keyPattern.test(prefix)) throw new RangeError(`The prefix ${JSON.stringify(prefix)} has characters of no key`)
  const place = `${options.endpoint.replace(/\/$/, "")}/${encodeURIComponent(bucket)}`
  // A name may have any character, and a key only some.
  const keyOf = (name: string) => prefix + encodeURIComponent(name).replaceAll("*", "%2A").replaceAll("~", "%7E")
  const urlOf = (name: string) => `${place}/${keyOf(name).split("/").map(encodeURIComponent).join("/")}`

  /** The keys derived from the secret, one for each day. */
  const cache = new Map<string, ArrayBuffer>()

  const signed = Effect.fnUntraced(function* ({ body, method, url }: Request) {
    const now = yield* Clock.currentTimeMillis
    const signer = new AwsV4Signer({
      method,
      url,
      region,
      service: "s3",
      cache,
      accessKeyId,
      secretAccessKey: Redacted.value(options.secretAccessKey),
      ...(options.sessionToken === undefined ? {} : { sessionToken: Redacted.value(options.sessionToken) }),
      datetime: new Date(now).toISOString().replace(/[:-]|\.\d{3}/g, ""),
      headers: {
        "x-amz-content-sha256": createHash("sha256")
          .update(body ?? "")
          .digest("hex")
      }
    })
    const { headers, url: address } = yield* Effect.promise(() => signer.sign())
    const request = HttpClientRequest.make(method)(address, { headers: Object.fromEntries(headers) })
    return body === undefined ? request : HttpClientRequest.bodyUint8Array(request, body)
  })

  /** Returns why the store refused. */
  const refusal = Effect.fnUntraced(function* ({ method }: Request, response: HttpClientResponse) {
    const text = yield* Effect.orElseSucceed(response.text, () => "")
    const detail = `${method} was answered with ${response.status} ${S3Listing.codeOf(text)}`.trimEnd()
    return failed(detail, response.status === 401 || response.status === 403 ? "Denied" : "Unavailable")
  })

  return Layer.effect(
    BlobStore,
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient

      const once = Effect.fnUntraced(function* <A>(
        request: Request,
        read: (response: HttpClientResponse) => Effect.Effect<A, unknown>
      ) {
        // Signed each time, because a signature is valid for some minutes only.
        const response = yield* Effect.mapError(client.execute(yield* signed(request)), ({ message }) =>
          failed(message)
        )
        const { status } = response
        if (status === 404) {
          // A HEAD has no body to say whether it is the bucket that is missing.
          const code = request.method === "HEAD" ? "" : S3Listing.codeOf(yield* Effect.orDie(response.text))
          if (code === "NoSuchBucket") return yield* failed(`there is no bucket "${bucket}"`, "Denied")
          return Option.none<A>()
        }
        if (status < 200 || status > 299) return yield* yield* refusal(request, response)
        return yield* Effect.mapBoth(read(response), {
          onFailure: (error) => (error instanceof BlobStoreError ? error : failed(String(error))),
          onSuccess: Option.some
        })
      })

      /** Makes a request, and reads its answer. `None`: what it names is not there. */
      const ask = <A>(request: Request, read: (response: HttpClientResponse) => Effect.Effect<A, unknown>) =>
        once(request, read).pipe(
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => Effect.fail(failed(`${request.method} was not answered in time`))
          }),
          Effect.retry({ schedule: retries, while: ({ isRetryable }) => isRetryable })
        )

      const timeOf = (name: string) =>
        Effect.map(
          ask({ method: "HEAD", url: urlOf(name) }, ({ headers }) => Effect.succeed(headers["last-modified"])),
          Option.flatMap((text) => Option.fromUndefinedOr(text === undefined ? undefined : Date.parse(text)))
        )

      return BlobStore.of({
        put: Effect.fnUntraced(function* (name, bytes) {
          const usedAt = yield* timeOf(name)
          const now = yield* Clock.currentTimeMillis
          if (Option.isSome(usedAt) && usedAt.value > now - renewedFor) return
          const done = yield* ask({ method: "PUT", url: urlOf(name), body: bytes }, () => Effect.void)
          if (Option.isNone(done)) return yield* failed(`PUT was answered with 404`)
        }),
        get: (name, limit) =>
          ask({ method: "GET", url: urlOf(name) }, ({ arrayBuffer, headers }) => {
            const size = Number(headers["content-length"])
            return size > limit
              ? Effect.fail(tooLarge(name, size, limit))
              : Effect.map(arrayBuffer, (buffer) => new Uint8Array(buffer))
          }),
        remove: Effect.fnUntraced(function* (name, unusedSince = Infinity) {
          const usedAt = yield* timeOf(name)
          if (Option.isNone(usedAt)) return "missing"
          if (usedAt.value >= unusedSince) return "used"
          yield* ask({ method: "DELETE", url: urlOf(name) }, () => Effect.void)
          return "removed"
        }),
        list: Stream.paginate("", (token) =>
          Effect.map(
            ask(
              {
                method: "GET",
                url: `${place}?${new URLSearchParams({
                  "list-type": "2",
                  ...(prefix === "" ? {} : { prefix }),
                  ...(token === "" ? {} : { "continuation-token": token })
                })}`
              },
              ({ text }) => Effect.map(text, S3Listing.parse)
            ),
            Option.match({
              onNone: () => [[], Option.none<string>()] as const,
              onSome: ({ next, objects }) => [
                objects.map(({ key, modifiedAt }) => ({
                  name: decodeURIComponent(key.slice(prefix.length)),
                  usedAt: modifiedAt
                })),
                Option.fromUndefinedOr(next)
              ]
            })
          )
        )
      })
    })
  )
}
