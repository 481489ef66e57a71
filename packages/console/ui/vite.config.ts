import react from "@vitejs/plugin-react"
import { defineConfig } from "vite"

/** The console that Vite's own server asks for data: `node_modules/.bin/vite ui`, beside a running `eventbus console`. */
const server = process.env["EVENTBUS_CONSOLE"] ?? "http://127.0.0.1:4680"

export default defineConfig(({ command }) => {
  // A build that a test starts would else take React's slow and large variant.
  if (command === "build") process.env["NODE_ENV"] = "production"
  return {
    root: import.meta.dirname,
    // The server writes a `<base href>` into the page, so that deep links work under any prefix.
    base: "./",
    plugins: [react()],
    server: { host: "127.0.0.1", port: 4681, proxy: { "/api": server, "/login": server } },
    build: {
      outDir: "../dist/ui",
      emptyOutDir: true,
      target: "es2022",
      // The content security policy knows no `data:` scripts and no inline ones.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false }
    }
  }
})
