/** A stack whose first frames are those of the application. The others can be opened. */
import { type ReactNode, useState } from "react"
import { Foreign } from "../text/Foreign.tsx"
import { counted } from "../text/format.ts"
import { runsOf } from "../text/stack.ts"
import { Button } from "./Button.tsx"

export const Stack = (props: { readonly stack: string }): ReactNode => {
  const [isOpen, setOpen] = useState(false)
  const runs = runsOf(props.stack)
  return (
    <div className="stack">
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="region" aria-label="Frames">
        {runs.map(({ isOwn, lines, origins }, index) => (
          <span key={index} className={isOwn ? "own" : "other"}>
            {isOwn || isOpen ? (
              <Foreign text={lines.join("\n")} lines />
            ) : (
              `    … ${counted(lines.length, "frame")} of ${origins.join(", ")}`
            )}
            {"\n"}
          </span>
        ))}
      </pre>
      {runs.some(({ isOwn }) => !isOwn) ? (
        <Button kind="quiet" expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Show only the application's frames" : "Show all frames"}
        </Button>
      ) : null}
    </div>
  )
}
