/** Shows the page of the console. */
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { App } from "./shell/App.tsx"
import { start } from "./state/live.ts"

export const show = (): void => {
  const root = document.getElementById("root")
  if (root === null) return
  start()
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>
  )
}
