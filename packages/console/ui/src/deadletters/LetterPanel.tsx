/** A dead letter beside the list, or instead of it where the window is narrow. */
import { type ReactNode, useEffect, useRef } from "react"
import { Button } from "../parts/Button.tsx"
import { Icon } from "../parts/Icon.tsx"
import { Link } from "../parts/Link.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { setQuery } from "../state/place.ts"
import { deadLetter } from "../state/resources.ts"
import { Foreign } from "../text/Foreign.tsx"
import { LetterView } from "./LetterView.tsx"

export const LetterPanel = (props: {
  readonly queue: string
  readonly snapshot: string
  readonly id: string
}): ReactNode => {
  const { id, queue, snapshot } = props
  const atom = deadLetter(snapshot, id)
  const result = useAtom(atom)
  const again = useRefresh(atom)
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus({ preventScroll: true }), [id])
  return (
    <aside className="panel" aria-label="Dead letter">
      <div className="panel-top">
        <h2 ref={heading} tabIndex={-1}>
          <Link to={{ _tag: "DeadLetter", queue, id }} className="mono">
            <Foreign text={id} />
          </Link>
        </h2>
        <Button kind="quiet" label="Close the dead letter" onClick={() => setQuery({ letter: undefined })}>
          <Icon name="close" />
        </Button>
      </div>
      <Loaded of={result} what="Opening the dead letter …" again={again} rows={6}>
        {(letter) => <LetterView of={letter} />}
      </Loaded>
    </aside>
  )
}
