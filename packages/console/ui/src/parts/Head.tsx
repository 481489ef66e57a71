/** The head of a page: its title, what it is about, and the command that shows the same. */
import { type ReactNode, useEffect } from "react"
import { visible } from "../text/escape.ts"
import { CopyCommand } from "./Copy.tsx"

export const Head = (props: {
  readonly title: ReactNode
  /** The title of the browser's tab. */
  readonly tab: string
  readonly above?: ReactNode
  readonly lead?: ReactNode
  readonly command?: string
  readonly actions?: ReactNode
}): ReactNode => {
  const { above, actions, command, lead, tab, title } = props
  useEffect(() => {
    document.title = `${visible(tab)} · eventbus console`
  }, [tab])
  return (
    <header className="head">
      {above === undefined ? null : (
        <nav aria-label="Breadcrumb" className="crumbs">
          {above}
        </nav>
      )}
      <div className="head-row">
        <h1 tabIndex={-1}>{title}</h1>
        <div className="actions">
          {actions}
          {command === undefined ? null : <CopyCommand text={command} ofPage />}
        </div>
      </div>
      {lead === undefined ? null : <div className="lead">{lead}</div>}
    </header>
  )
}
