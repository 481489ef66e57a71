import { readdirSync } from "node:fs"
import { satteri } from "@astrojs/markdown-satteri"
import starlight from "@astrojs/starlight"
import { defineConfig, passthroughImageService } from "astro/config"
import { links } from "./src/links.mjs"

const reference = (slug) => ({ slug: `reference/${slug}` })

/** The pages of a folder: first those that most readers want, then the others. */
const pagesOf = (folder, first) => {
  const names = readdirSync(new URL(`src/content/docs/${folder}`, import.meta.url)).map((name) =>
    name.replace(".md", "")
  )
  const others = names.filter((name) => !first.includes(name)).toSorted()
  return [...first.filter((name) => names.includes(name)), ...others].map((name) => ({ slug: `${folder}/${name}` }))
}

const guides = [
  "failure-policies",
  "flow-control",
  "batches",
  "ordered-keys",
  "outbox",
  "scheduler",
  "testing",
  "dead-letters",
  "console",
  "versions",
  "request-reply",
  "large-and-secret-payloads",
  "cloudevents",
  "operations",
  "kubernetes",
  "collector"
]
const explanations = ["promises", "what-it-survives", "performance", "architecture"]

/** The modules of each package, as they were generated. */
const modules = readdirSync(new URL("generated/reference/modules", import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => ({
    label: name === "eventbus" ? "effect-eventbus" : `@effect-eventbus/${name}`,
    collapsed: true,
    items: [{ autogenerate: { directory: `reference/modules/${name}` } }]
  }))
  .toSorted((a, b) => Number(b.label === "effect-eventbus") - Number(a.label === "effect-eventbus"))

export default defineConfig({
  outDir: "./dist",
  markdown: { processor: satteri({ mdastPlugins: [links], features: { smartPunctuation: false } }) },
  image: { service: passthroughImageService() },
  integrations: [
    starlight({
      title: "effect-eventbus",
      description: "A typed, durable event bus for TypeScript, on Effect and RabbitMQ.",
      customCss: ["./src/site.css"],
      favicon: "/favicon.svg",
      sidebar: [
        { slug: "tutorial" },
        { label: "Guides", items: pagesOf("guides", guides) },
        { label: "Explanation", items: pagesOf("explanation", explanations) },
        {
          label: "Reference",
          items: [
            ...["events", "configuration", "topology", "health", "dead-letters", "metrics", "spans"].map(reference),
            ...["errors", "error-types", "command", "commands", "rabbitmq-versions"].map(reference),
            { slug: "reference/modules", label: "All modules" },
            ...modules
          ]
        }
      ]
    })
  ]
})
