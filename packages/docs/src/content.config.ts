import { docsSchema } from "@astrojs/starlight/schema"
import { glob } from "astro/loaders"
import { defineCollection } from "astro:content"

/** The pages that are written, and those that are generated from the packages, as if they lay in one folder. */
const idOf = ({ entry }: { readonly entry: string }) =>
  entry.replace(/^(src\/content\/docs|generated)\//, "").replace(/(\/?index)?\.md$/, "") || "index"

export const collections = {
  docs: defineCollection({
    loader: glob({ base: ".", pattern: ["src/content/docs/**/*.md", "generated/**/*.md"], generateId: idOf }),
    schema: docsSchema()
  })
}
