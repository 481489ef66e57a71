/**
 * The parts of S3's XML that a store of blobs reads.
 *
 * @internal
 */

/** A page of the objects in a bucket. */
export interface S3Listing {
  readonly objects: ReadonlyArray<{
    readonly key: string
    /** In milliseconds since 1970. */
    readonly modifiedAt: number
  }>
  /** The token of the next page. */
  readonly next: string | undefined
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" }

const unescape = (text: string): string =>
  text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    return hex === undefined ? (entities[name] ?? whole) : String.fromCodePoint(Number.parseInt(hex, 16))
  })

/** Returns the text of the first element of a name. */
const element = (xml: string, name: string): string | undefined => {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return found === undefined ? undefined : unescape(found)
}

/** Returns the code of an error. `""`: the text is no error. */
export const codeOf = (xml: string): string => element(xml, "Code") ?? ""

/** Parses a page. */
export const parse = (xml: string): S3Listing => ({
  objects: Array.from(xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g), ([, contents = ""]) => ({
    key: element(contents, "Key") ?? "",
    modifiedAt: Date.parse(element(contents, "LastModified") ?? "")
  })),
  next: element(xml, "IsTruncated") === "true" ? element(xml, "NextContinuationToken") : undefined
})
