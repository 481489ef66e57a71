/**
 * A queue as a line of a map: it comes from the left, stops where events wait, and goes
 * on to its consumers. Dead letters are a branch that ends. The words stand beside it.
 */
import type { ReactNode } from "react"

export const LineMap = (props: {
  readonly waiting: number
  readonly consumers: number
  readonly deadLetters: number | undefined
  readonly isPaused: boolean
}): ReactNode => {
  const { consumers, deadLetters, isPaused, waiting } = props
  const isServed = consumers > 0 && !isPaused
  return (
    <svg className="line-map" viewBox="0 0 96 30" width="96" height="30" aria-hidden="true">
      <path className="track" d="M2 9H30" />
      <path className={isServed ? "track" : "track cut"} d="M30 9H94" />
      {deadLetters === undefined ? null : (
        <path className={deadLetters > 0 ? "siding" : "siding empty"} d="M44 9c10 0 8 13 20 13h8" />
      )}
      <circle className={waiting > 0 ? "stop full" : "stop"} cx="30" cy="9" r="5" />
      {deadLetters === undefined ? null : (
        <rect className={deadLetters > 0 ? "end full" : "end"} x="72" y="17" width="10" height="10" rx="2" />
      )}
      {isServed ? <path className="track" d="m88 4.5 5.5 4.5L88 13.5" /> : null}
    </svg>
  )
}
