/** Files for the person, from the server or from the page. */
import { header } from "../../../src/ConsoleApi.ts"
import { address } from "./client.ts"

/** Saves a text or bytes under a name. */
export const save = (name: string, content: Blob): void => {
  const url = URL.createObjectURL(content)
  const anchor = document.createElement("a")
  anchor.href = url
  anchor.download = name.replaceAll(/[^A-Za-z0-9._-]+/g, "_")
  anchor.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** Fetches a resource of the server and saves it. */
export const download = async (
  name: string,
  path: string,
  query: Readonly<Record<string, string | undefined>> = {}
): Promise<void> => {
  const response = await fetch(address(path, query), { headers: { [header]: "1" } })
  if (!response.ok) throw new Error(`The server refused the download: ${response.status} ${response.statusText}`)
  save(name, await response.blob())
}
