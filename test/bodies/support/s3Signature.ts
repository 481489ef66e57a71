import { createHash, createHmac } from "node:crypto"

/** A request as a server receives it. */
export interface Received {
  readonly method: string
  /** The path and the query, as they were sent. */
  readonly target: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()

/**
 * Computes the signature that a request should have, by the description of AWS Signature Version 4 alone: it shares nothing
 * with what signs.
 */
export const expected = ({ headers, method, target }: Received, secret: string): string => {
  const [path = "", query = ""] = target.split("?")
  const authorization = headers["authorization"] ?? ""
  const scope = /Credential=[^/]+\/([^,]+),/.exec(authorization)?.[1] ?? ""
  const signed = (/SignedHeaders=([^,]+),/.exec(authorization)?.[1] ?? "").split(";")
  const parameters = query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [key = "", value = ""] = pair.split("=")
      const decoded = (part: string) => encode(decodeURIComponent(part.replaceAll("+", " ")))
      return `${decoded(key)}=${decoded(value)}`
    })
    .toSorted()
    .join("&")
  const canonical = [
    method,
    path
      .split("/")
      .map((part) => encode(decodeURIComponent(part)))
      .join("/"),
    parameters,
    ...signed.map((name) => `${name}:${(headers[name] ?? "").trim()}`),
    "",
    signed.join(";"),
    headers["x-amz-content-sha256"] ?? ""
  ].join("\n")
  const [date = "", region = "", service = ""] = scope.split("/")
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), "aws4_request")
  const digest = createHash("sha256").update(canonical).digest("hex")
  return hmac(key, ["AWS4-HMAC-SHA256", headers["x-amz-date"] ?? "", scope, digest].join("\n")).toString("hex")
}
