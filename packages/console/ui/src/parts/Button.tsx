/** Buttons. */
import type { ReactNode, Ref } from "react"

export const Button = (props: {
  readonly children: ReactNode
  readonly onClick?: () => void
  readonly kind?: "plain" | "main" | "danger" | "quiet"
  readonly disabled?: boolean
  readonly label?: string
  readonly pressed?: boolean
  readonly hint?: string
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
    aria-keyshortcuts={props.hint}
  >
    {props.children}
    {props.hint === undefined ? null : <kbd aria-hidden="true">{props.hint}</kbd>}
  </button>
)
