/** Begins the look of the page that is being opened. */
import { header } from "../../src/internal/header.ts"
import { queueIn } from "./text/address.ts"

/**
 * Asks for the look, if the address is one of dead letters. The page asks for the same a moment later, and the server
 * gives both the same look. What is refused here, is told there.
 */
export const lookEarly = (): void => {
  const root = new URL(".", document.baseURI)
  const queue = location.pathname.startsWith(root.pathname)
    ? queueIn(location.pathname.slice(root.pathname.length))
    : undefined
  if (queue === undefined) return
  fetch(new URL(`api/queues/${queue}/look`, root), {
    method: "POST",
    headers: { [header]: "1", "content-type": "application/json" },
    body: "{}"
  }).catch(() => undefined)
}
