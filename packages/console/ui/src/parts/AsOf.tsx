/** The source of numbers and their age. */
import type { ReactNode } from "react"
import { useTimed } from "../state/clock.ts"
import { ago, moment } from "../text/format.ts"

export const Age = (props: { readonly at: number }): ReactNode => {
  const text = useTimed((now) => ago(props.at, now))
  return (
    <time dateTime={new Date(props.at).toISOString()} title={moment(props.at)}>
      {text}
    </time>
  )
}

/** A broker that answers is heard every two seconds: an age that comes and goes with each answer would tell nothing. */
const usual = 5000

/** The age of what the broker says again and again. */
export const Heard = ({ at }: { readonly at: number }): ReactNode => {
  const text = useTimed((now) => (now - at < usual ? "just now" : ago(at, now)))
  return <span title={moment(at)}>{text}</span>
}

export const AsOf = (props: {
  readonly at: number
  /** Whether the numbers are those of the pulse. */
  readonly isLive?: boolean
  readonly source: string
  readonly children?: ReactNode
}): ReactNode => (
  <p className="as-of">
    {props.source} · {props.isLive === true ? <Heard at={props.at} /> : <Age at={props.at} />}
    {props.children}
  </p>
)
