/** JSON as a tree. Two levels are open, and long lists show their first hundred members. */
import { type ReactNode, useState } from "react"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted, cut } from "../text/format.ts"
import { isExact } from "../text/json.ts"

const step = 100
const maxText = 2000

const Scalar = ({ value }: { readonly value: unknown }): ReactNode => {
  const [isOpen, setOpen] = useState(false)
  if (typeof value !== "string") return <span className="json-scalar">{String(value)}</span>
  const isLong = value.length > maxText
  return (
    <span className="json-text">
      "<Foreign text={isLong && !isOpen ? cut(value, maxText) : value} lines />"
      {isLong && !isOpen ? (
        <button type="button" className="button quiet" onClick={() => setOpen(true)}>
          {`Show all ${count(value.length)} characters`}
        </button>
      ) : null}
    </span>
  )
}

const Branch = (props: {
  readonly members: ReadonlyArray<readonly [string, unknown]>
  readonly isList: boolean
  readonly depth: number
  readonly open: number
}): ReactNode => {
  const { depth, isList, members, open } = props
  const [shown, setShown] = useState(step)
  return (
    <ul className="json">
      {members.slice(0, shown).map(([name, value]) => (
        <li key={name}>
          <Node name={name} value={value} depth={depth} open={open} isIndex={isList} />
        </li>
      ))}
      {members.length > shown ? (
        <li>
          <button type="button" className="button quiet" onClick={() => setShown(shown + step)}>
            {`Show more: ${count(members.length - shown)} are left`}
          </button>
        </li>
      ) : null}
    </ul>
  )
}

const Node = (props: {
  readonly name: string
  readonly value: unknown
  readonly depth: number
  readonly open: number
  readonly isIndex: boolean
}): ReactNode => {
  const { depth, isIndex, name, open, value } = props
  const [isOpen, setOpen] = useState(depth < open)
  const label = (
    <span className={isIndex ? "json-index" : "json-name"}>
      <Foreign text={name} />
    </span>
  )
  if (typeof value !== "object" || value === null || isExact(value)) {
    return (
      <>
        {label} <Scalar value={value} />
      </>
    )
  }
  const isList = Array.isArray(value)
  const members = Object.entries(value)
  if (members.length === 0)
    return (
      <>
        {label} <span className="json-scalar">{isList ? "[]" : "{}"}</span>
      </>
    )
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}{" "}
        <span className="soft">{isList ? counted(members.length, "item") : counted(members.length, "member")}</span>
      </summary>
      {isOpen ? <Branch members={members} isList={isList} depth={depth + 1} open={open} /> : null}
    </details>
  )
}

export const JsonTree = (props: {
  readonly value: unknown
  /** The number of levels that are open at first. */
  readonly open?: number
}): ReactNode => {
  const { open = 2, value } = props
  if (typeof value !== "object" || value === null || isExact(value)) return <Scalar value={value} />
  return <Branch members={Object.entries(value)} isList={Array.isArray(value)} depth={1} open={open} />
}
