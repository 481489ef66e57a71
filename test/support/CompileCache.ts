import { join } from "node:path"

/** The folder in which Node keeps what it has compiled: the tests start the same programs over and over. */
export const variables: Readonly<Record<string, string>> = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, "../../node_modules/.cache/node-compile-cache")
}
