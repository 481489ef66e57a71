/**
 * Code that scrolls can be reached by the keyboard from the start. Otherwise a script of Expressive Code sees to it later,
 * and makes each block a landmark without a name.
 */
const focusable = {
  name: "focusable",
  hooks: {
    postprocessRenderedBlock: ({ renderData }) => {
      for (const child of renderData.blockAst.children) {
        if (child.tagName === "pre") child.properties.tabindex = "0"
      }
    }
  }
}

export default {
  themes: ["github-dark-high-contrast", "github-light-high-contrast"],
  plugins: [focusable]
}
