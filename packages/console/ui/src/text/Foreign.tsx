/** Text that comes from events. Characters that cannot be seen, or that turn text around, are shown as escapes. */
import { Fragment, memo, type ReactNode } from "react"
import { escape, unseen, unseenBetweenLines } from "./escape.ts"

/** Shows a text of others. `lines` keeps line breaks and tabs. */
export const Foreign = memo((props: { readonly text: string; readonly lines?: boolean }): ReactNode => {
  const parts = props.text.split(props.lines === true ? unseenBetweenLines : unseen)
  if (parts.length === 1) return <bdi>{props.text}</bdi>
  return (
    <bdi>
      {parts.map((part, index) =>
        index % 2 === 0 ? (
          // oxlint-disable-next-line react/no-array-index-key
          <Fragment key={index}>{part}</Fragment>
        ) : (
          <span key={index} className="escape">
            {escape(part)}
          </span>
        )
      )}
    </bdi>
  )
})
