/** A dead letter as a page of its own. */
import type { ReactNode } from "react"
import { letterOf } from "../deadletters/letterOf.ts"
import { LetterView } from "../deadletters/LetterView.tsx"
import { QueueJob } from "../deadletters/QueueJob.tsx"
import { Crumbs } from "../parts/Crumbs.tsx"
import { Head } from "../parts/Head.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { useKeys } from "../state/keys.ts"
import { go } from "../state/place.ts"
import { lookAgain } from "../state/resources.ts"
import { command } from "../text/command.ts"
import { visible } from "../text/escape.ts"
import { Foreign } from "../text/Foreign.tsx"

export const DeadLetterPage = (props: { readonly queue: string; readonly id: string }): ReactNode => {
  const { id, queue } = props
  const atom = letterOf(queue, id)
  const result = useAtom(atom)
  const again = useRefresh(atom)
  const look = () => {
    lookAgain(queue)
    again()
  }
  useKeys({ Escape: () => go({ _tag: "DeadLetters", queue }) })
  return (
    <>
      <Head
        title={
          <span className="mono">
            <Foreign text={id} />
          </span>
        }
        tab={`Dead letter ${visible(id)} of ${visible(queue)}`}
        above={<Crumbs queue={queue} isDeadLetter />}
        command={command(["dlq", "show", queue, id])}
      />
      <QueueJob queue={queue} onLook={look} />
      <Loaded of={result} what="Looking for the dead letter …" again={look} rows={8}>
        {(letter) => <LetterView of={letter} isPage />}
      </Loaded>
    </>
  )
}
