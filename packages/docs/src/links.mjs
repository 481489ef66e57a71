import { existsSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const content = fileURLToPath(new URL("content/docs", import.meta.url))
const generated = fileURLToPath(new URL("../generated", import.meta.url))
const assets = fileURLToPath(new URL("../public", import.meta.url))

/** Returns the address of a page on the site, or of a file that was copied to it. */
const addressOf = (path) => {
  const owner = [content, generated].find((folder) => path.startsWith(`${folder}/`))
  if (owner !== undefined && path.endsWith(".md")) {
    return `/${relative(owner, path)
      .replace(/(^|\/)index\.md$|\.md$/, "")
      .toLowerCase()}/`
  }
  if (existsSync(join(assets, basename(path)))) return `/${basename(path)}`
  throw new Error(`${path} is no page of the site`)
}

/** Pages link to each other as files, so that they can be read in the repository. On the site, links name addresses. */
export const links = {
  name: "links",
  link(node, context) {
    if (context.fileURL === undefined || /^([a-z]+:|#|\/)/i.test(node.url)) return
    const [path = "", anchor] = node.url.split("#")
    const address = addressOf(join(dirname(fileURLToPath(context.fileURL)), path))
    context.setProperty(node, "url", anchor === undefined ? address : `${address}#${anchor}`)
  }
}
