/** The changes of an edit of many dead letters, in words. */
import type { ReactNode } from "react"
import type { Change, EditAllCheck } from "../../../src/ConsoleJob.ts"
import { Foreign } from "../text/Foreign.tsx"
import { counted, cut } from "../text/format.ts"

type AnyChange = typeof Change.Type
type Found = (typeof EditAllCheck.Type)["changes"][number]

const maxValue = 80

const Value = ({ text }: { readonly text: string }): ReactNode => (
  <code className="mono">
    <Foreign text={cut(text, maxValue)} />
  </code>
)

const Words = (props: { readonly change: AnyChange; readonly before: string | undefined }): ReactNode => {
  const { before, change } = props
  const place = <Value text={change.pointer} />
  switch (change._tag) {
    case "Set":
      return before === undefined ? (
        <>
          {place} is added: <Value text={change.value} />
        </>
      ) : (
        <>
          {place}: <Value text={before} /> becomes <Value text={change.value} />
        </>
      )
    case "Remove":
      return <>{place} is removed</>
    case "Rename":
      return (
        <>
          {place} is renamed to <Value text={change.name} />, and keeps its value
        </>
      )
  }
}

/** What the change does to those that differ from the one that it was made in. */
const Others = ({ of: { absent, change, other, others } }: { readonly of: Found }): ReactNode => {
  if (change._tag === "Rename") return null
  const isSet = change._tag === "Set"
  const like =
    other === undefined ? null : (
      <>
        , such as <Value text={other} />
      </>
    )
  return (
    <>
      {others === 0 ? null : (
        <p className="warn-text">
          {counted(others, "has another value", "have other values")} there{like}: {isSet ? "overwritten" : "removed"},
          too.
        </p>
      )}
      {absent === 0 || !isSet ? null : (
        <p className="soft">{counted(absent, "has nothing there, and gets it", "have nothing there, and get it")}.</p>
      )}
    </>
  )
}

export const ChangeList = (props: {
  readonly of: ReadonlyArray<Found>
  /** Whether to tell what they do to others. */
  readonly hasOthers?: boolean
}): ReactNode => (
  <ul className="changes" aria-label={counted(props.of.length, "change")}>
    {props.of.map((found) => (
      <li key={`${found.change._tag} ${found.change.pointer}`}>
        <p>
          <Words change={found.change} before={found.before} />
        </p>
        {props.hasOthers === true ? <Others of={found} /> : null}
      </li>
    ))}
  </ul>
)
