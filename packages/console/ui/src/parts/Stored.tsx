import type * as AsyncResult from "effect/reactivity/AsyncResult"
/** The pages of the application's database, which is asked when they are opened, and again when someone wants it. */
import type * as Atom from "effect/reactivity/Atom"
import type { ReactNode } from "react"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { Foreign } from "../text/Foreign.tsx"
import { Button } from "./Button.tsx"
import { Head } from "./Head.tsx"
import { Loaded } from "./Loaded.tsx"

export const StoredPage = <A, E>(props: {
  readonly title: string
  readonly lead: string
  readonly command: string
  readonly of: Atom.Atom<AsyncResult.AsyncResult<A, E>>
  readonly children: (value: A) => ReactNode
}): ReactNode => {
  const { children, command, lead, of, title } = props
  const result = useAtom(of)
  const again = useRefresh(of)
  return (
    <>
      <Head
        title={title}
        tab={title}
        lead={<p>{lead}</p>}
        command={command}
        actions={
          <Button onClick={again} disabled={result.waiting}>
            Look again
          </Button>
        }
      />
      <Loaded of={result} what="Asking the database …" again={again}>
        {children}
      </Loaded>
    </>
  )
}

/** The type of an event, and its id. */
export const EventName = (props: { readonly of: { readonly type: string; readonly id: string } }): ReactNode => (
  <>
    <Foreign text={props.of.type} />
    <br />
    <span className="mono soft">
      <Foreign text={props.of.id} />
    </span>
  </>
)
