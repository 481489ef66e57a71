import { mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Tab } from "./Chromium.ts"

const folder = fileURLToPath(new URL("../../../packages/docs/src/assets/console/", import.meta.url))

/** The pictures of the documentation, which the tests take when they are asked to. */
export const pictures = {
  take: async ({ page }: Tab, name: string): Promise<void> => {
    if (process.env["EVENTBUS_PICTURES"] === undefined) return
    mkdirSync(folder, { recursive: true })
    await page.screenshot({ path: `${folder}${name}.png`, animations: "disabled", caret: "hide" })
  }
}
