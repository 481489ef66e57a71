/** A place that has nothing to show, or a problem, with what to do about it. */
import type { ReactNode } from "react"
import type { Problem } from "../state/problem.ts"
import { Foreign } from "../text/Foreign.tsx"

export const Notice = (props: {
  readonly tone?: "plain" | "warn" | "bad" | "good"
  readonly title: string
  readonly children?: ReactNode
  readonly action?: ReactNode
}): ReactNode => (
  <div className={`notice ${props.tone ?? "plain"}`} role={props.tone === "bad" ? "alert" : undefined}>
    <p className="notice-title">{props.title}</p>
    {props.children === undefined ? null : <div className="notice-text">{props.children}</div>}
    {props.action === undefined ? null : <div className="actions">{props.action}</div>}
  </div>
)

export const Failed = (props: { readonly problem: Problem; readonly action?: ReactNode }): ReactNode => (
  <Notice
    tone={props.problem.tag === "NotAvailable" ? "plain" : "bad"}
    title={props.problem.title}
    action={props.action}
  >
    <p>
      <Foreign text={props.problem.message} lines />
    </p>
    {props.problem.similar.length === 0 ? null : (
      <p>
        Did you mean{" "}
        {props.problem.similar.map((name, index) => (
          <span key={name}>
            {index === 0 ? "" : ", "}
            <Foreign text={name} />
          </span>
        ))}
        ?
      </p>
    )}
  </Notice>
)
