/** Shows the difference between two texts. */
import type { ReactNode } from "react"
import { diff } from "../text/diff.ts"
import { Foreign } from "../text/Foreign.tsx"

const marks = { same: " ", gone: "−", new: "+" } as const
const words = { same: "", gone: "removed: ", new: "added: " } as const

export const Diff = (props: { readonly before: string; readonly after: string }): ReactNode => {
  const lines = diff(props.before, props.after)
  if (lines.every(({ kind }) => kind === "same")) return <p className="soft">Nothing has changed yet.</p>
  return (
    <pre className="diff" tabIndex={0} role="region" aria-label="Difference">
      {lines.map(({ kind, text }, index) => (
        <span key={index} className={kind}>
          <span aria-hidden="true">{marks[kind]} </span>
          {kind === "same" ? null : <span className="hidden">{words[kind]}</span>}
          <Foreign text={text} />
          {"\n"}
        </span>
      ))}
    </pre>
  )
}
