import { existsSync } from "node:fs"

/** The Chromium of this system, by which the documentation and the console are tested, if there is one. */
export const executablePath: string | undefined = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path)
)

/** Says, once, that something is not tested in a browser where there is none. */
export const isPossible = (what: string): boolean => {
  if (executablePath === undefined) console.error(`${what}: not tested in a browser, there is no Chromium here`)
  return executablePath !== undefined
}

/** The arguments of a Chromium that runs as root, without a screen, and asks for nothing elsewhere. */
export const args: ReadonlyArray<string> = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]
