/** A link within the console. Only addresses of the console itself become one. */
import type { MouseEvent, ReactNode } from "react"
import { go, href } from "../state/place.ts"
import type { Page, Query } from "../state/route.ts"

export const Link = (props: {
  readonly to: Page
  readonly query?: Query
  readonly className?: string
  readonly current?: boolean
  readonly label?: string
  readonly onClick?: () => void
  readonly children: ReactNode
}): ReactNode => {
  const { children, className, current = false, label, onClick, query = {}, to } = props
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return
    event.preventDefault()
    onClick?.()
    go(to, query)
  }
  return (
    <a
      href={href(to, query)}
      className={className}
      aria-current={current ? "page" : undefined}
      aria-label={label}
      onClick={follow}
    >
      {children}
    </a>
  )
}
