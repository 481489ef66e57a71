/** The way from the overview to a page of a queue. */
import type { ReactNode } from "react"
import { Foreign } from "../text/Foreign.tsx"
import { Link } from "./Link.tsx"

export const Crumbs = (props: { readonly queue?: string; readonly isDeadLetter?: boolean }): ReactNode => (
  <ol>
    <li>
      <Link to={{ _tag: "Overview" }}>Overview</Link>
    </li>
    {props.queue === undefined ? null : (
      <li>
        <Link to={{ _tag: "Queue", queue: props.queue }}>
          <Foreign text={props.queue} />
        </Link>
      </li>
    )}
    {props.queue !== undefined && props.isDeadLetter === true ? (
      <li>
        <Link to={{ _tag: "DeadLetters", queue: props.queue }}>Dead letters</Link>
      </li>
    ) : null}
  </ol>
)
