/** A dead letter's payload, to mend and replay. */
import * as Option from "effect/Option"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import { type ReactNode, useRef, useState } from "react"
import type { DeadLetter } from "../../../src/ConsoleModel.ts"
import * as JsonText from "../../../src/internal/jsonText.ts"
import { letterOf } from "../deadletters/letterOf.ts"
import { Checked, Issues, PayloadField, placing } from "../deadletters/Payload.tsx"
import { QueueJob } from "../deadletters/QueueJob.tsx"
import { Ask } from "../parts/Ask.tsx"
import { Button } from "../parts/Button.tsx"
import { Crumbs } from "../parts/Crumbs.tsx"
import { Diff } from "../parts/Diff.tsx"
import { Head } from "../parts/Head.tsx"
import { Link } from "../parts/Link.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import * as actions from "../state/actions.ts"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { go } from "../state/place.ts"
import { editCheck } from "../state/resources.ts"
import { useIsReadOnly, useModuleCommand, useSession } from "../state/session.ts"
import { visible } from "../text/escape.ts"
import { Foreign } from "../text/Foreign.tsx"

type AnyLetter = typeof DeadLetter.Type

const Editor = (props: { readonly of: AnyLetter; readonly payload: string }): ReactNode => {
  const { of, payload } = props
  const original = JsonText.format(payload)
  const [text, setText] = useState(original)
  const [isAsked, setAsked] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const isReadOnly = useIsReadOnly()
  const command = useModuleCommand()
  const result = useAtom(editCheck(JSON.stringify([of.queue, of.snapshot, of.id, text])))
  const check = Option.getOrUndefined(AsyncResult.value(result))
  const isChanged = text !== original
  const isReady = check !== undefined && check.issues.length === 0 && isChanged && !isReadOnly
  return (
    <div className="edit">
      <section aria-labelledby="payload">
        <PayloadField field={field} original={original} text={text} onText={setText}>
          <Button kind="main" disabled={!isReady} onClick={() => setAsked(true)}>
            Replay with this payload …
          </Button>
        </PayloadField>
        {isReadOnly ? (
          <p className="warn-text">This console is read-only.</p>
        ) : isChanged ? null : (
          <p className="soft">Change something to replay it.</p>
        )}
      </section>
      <section aria-labelledby="checked">
        <h2 id="checked">Check</h2>
        <Checked of={result}>
          {(check) => (
            <>
              <Issues of={check} type={of.type} onPlace={placing(field, text)} />
              <h2>What changes</h2>
              <Diff before={check.before} after={check.after} />
            </>
          )}
        </Checked>
      </section>
      {isAsked && check !== undefined ? (
        <Ask
          onClose={() => setAsked(false)}
          question={{
            title: "Replay it with this payload?",
            text: (
              <>
                <p>
                  Every other byte is kept. The server keeps the old dead letter in the job, so that you can download
                  it.
                </p>
                <Diff before={check.before} after={check.after} />
                {check.hasSchema ? null : <p className="warn-text">No schema is known: it goes out unchecked.</p>}
              </>
            ),
            yes: "Replay it",
            no: "Keep editing",
            command: command(["dlq", "edit", of.queue, of.id], { payload: "-" }),
            act: () =>
              actions.edit(of.queue, of.snapshot, of.id, text).then(() => go({ _tag: "DeadLetters", queue: of.queue }))
          }}
        />
      ) : null}
    </div>
  )
}

export const Edit = (props: { readonly queue: string; readonly id: string }): ReactNode => {
  const { id, queue } = props
  const atom = letterOf(queue, id)
  const result = useAtom(atom)
  const again = useRefresh(atom)
  const command = useModuleCommand()
  const session = useSession()
  return (
    <>
      <Head
        title="Edit and replay"
        tab={`Edit ${visible(id)}`}
        above={<Crumbs queue={queue} isDeadLetter />}
        lead={
          <p>
            <Link to={{ _tag: "DeadLetter", queue, id }} className="mono">
              <Foreign text={id} />
            </Link>
          </p>
        }
        command={command(["dlq", "edit", queue, id])}
      />
      <QueueJob queue={queue} onLook={again} />
      {session !== undefined && session.bodies !== "show" ? (
        <Notice title="Bodies are hidden">
          <p>This console does not give bodies away, so it cannot edit them.</p>
        </Notice>
      ) : (
        <Loaded of={result} what="Looking for the dead letter …" again={again} rows={8}>
          {(letter) =>
            letter.payload === undefined ? (
              <Notice title="Its body is not an event">
                <p>Only the payload of an event can be edited. Replay it as it is, or discard it.</p>
              </Notice>
            ) : (
              <>
                <p className="fault">
                  <span className="fault-reason">
                    <Foreign text={letter.reason ?? "No reason was recorded"} />
                  </span>
                  <span className="fault-message">
                    <Foreign text={letter.message} lines />
                  </span>
                </p>
                <Editor of={letter} payload={letter.payload} />
              </>
            )
          }
        </Loaded>
      )}
    </>
  )
}
