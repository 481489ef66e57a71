/** Buttons. */
import type { ReactNode, Ref } from "react"

export const Button = (props: {
  readonly children: ReactNode
  readonly onClick?: () => void
  readonly kind?: "plain" | "main" | "danger" | "quiet"
  readonly disabled?: boolean
  readonly label?: string
  readonly pressed?: boolean
  /** The key that does the same. */
  readonly hint?: string
  /** Whether what it opens and closes is open. */
  readonly expanded?: boolean
  /** The id of what it opens and closes. */
  readonly controls?: string
  readonly ref?: Ref<HTMLButtonElement>
}): ReactNode => (
  <button
    type="button"
    ref={props.ref}
    className={`button ${props.kind ?? "plain"}`}
    onClick={props.onClick}
    disabled={props.disabled}
    aria-label={props.label}
    aria-pressed={props.pressed}
    aria-expanded={props.expanded}
    aria-controls={props.controls}
    aria-keyshortcuts={props.hint}
  >
    {props.children}
    {props.hint === undefined ? null : <kbd aria-hidden="true">{props.hint}</kbd>}
  </button>
)
