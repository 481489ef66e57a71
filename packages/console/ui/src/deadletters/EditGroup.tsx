/** The same edit of many dead letters: one of them is changed, and its changes are made to all. */
import * as Option from "effect/Option"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import { type ReactNode, useRef, useState } from "react"
import type { EditAllCheck } from "../../../src/ConsoleJob.ts"
import * as JsonText from "../../../src/internal/jsonText.ts"
import { Ask } from "../parts/Ask.tsx"
import { Button } from "../parts/Button.tsx"
import { Diff } from "../parts/Diff.tsx"
import { Link } from "../parts/Link.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Refusals } from "../parts/Refusals.tsx"
import * as actions from "../state/actions.ts"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { deadLetter, editAllCheck } from "../state/resources.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted } from "../text/format.ts"
import { ChangeList } from "./ChangeList.tsx"
import { Checked, Issues, PayloadField, placing } from "./Payload.tsx"
import { exportOf, manyTyped, type Subject } from "./questions.tsx"
import { useRate } from "./rate.tsx"

type Check = typeof EditAllCheck.Type

/** The number that the job will probably take. */
const takenOf = ({ accepted, unchecked }: Check): number => accepted + unchecked

const Question = (props: {
  readonly of: Subject
  readonly check: Check
  readonly keep: boolean
  readonly onClose: () => void
  readonly onStarted: () => void
}): ReactNode => {
  const { check, keep, of, onClose, onStarted } = props
  const taken = takenOf(check)
  const { field, isValid, rate } = useRate(taken)
  const words = keep ? "Edit and keep" : "Edit and replay"
  return (
    <Ask
      onClose={onClose}
      question={{
        title: (
          <>
            {words} {counted(taken, "dead letter")} of <Foreign text={of.queue} />?
          </>
        ),
        text: (
          <>
            <ChangeList of={check.changes} />
            {taken === check.count ? null : (
              <p className="warn-text">
                {count(check.count - taken)} of the {count(check.count)} cannot be edited so, and stay as they are.
              </p>
            )}
            {check.hasSchema ? null : <p className="warn-text">No schema is known: they go out unchecked.</p>}
            <p>
              {keep
                ? "They stay among the dead letters, with their errors: behind the others, in another order."
                : "Each is delivered again as on its first attempt. It leaves the dead letters once its copy is safe in the queue."}{" "}
              Nothing else in them changes. The job keeps the old ones for ten minutes, so that you can download them.
            </p>
            {keep ? null : field}
          </>
        ),
        typed:
          taken > manyTyped
            ? { label: `To ${words.toLowerCase()} them, type their number:`, text: String(taken) }
            : undefined,
        yes: `${words} ${count(taken)}`,
        no: "Keep editing",
        isReady: isValid,
        act: () =>
          actions
            .editAll(of.queue, {
              selection: of.selection,
              snapshot: of.snapshot,
              changes: check.changes.map(({ change }) => change),
              keep,
              rate: keep ? undefined : rate
            })
            .then(onStarted),
        onProblem: ({ tag }) =>
          tag === "ExportFirst" ? <Button onClick={() => void exportOf(of)}>Export them as NDJSON</Button> : undefined
      }}
    />
  )
}

/** What becomes of all of them. */
const Outcome = (props: { readonly of: Check; readonly queue: string }): ReactNode => {
  const { of, queue } = props
  const { accepted, hasSchema, refusals, unchanged, unchecked } = of
  const isAll = accepted === of.count
  return (
    <div className={`notice ${isAll && hasSchema ? "good" : "warn"}`} role="status">
      <p className="notice-title">
        {hasSchema
          ? isAll
            ? `The schema accepts all ${count(of.count)}`
            : `The schema accepts ${count(accepted)} of ${count(of.count)}`
          : `${count(accepted)} of ${count(of.count)} can be edited so, and no schema is known`}
      </p>
      {hasSchema ? null : (
        <p className="notice-text">
          They go out unchecked. Start the console with the application's module to have them checked.
        </p>
      )}
      {unchanged === 0 ? null : (
        <p className="notice-text">{counted(unchanged, "has", "have")} these values already.</p>
      )}
      {unchecked === 0 ? null : (
        <p className="notice-text">
          {counted(unchecked, "was", "were")} too large for the look to keep: the job checks them.
        </p>
      )}
      {refusals.length === 0 ? null : (
        <div className="notice-text">
          <p>These stay as they are:</p>
          <Refusals of={refusals} queue={queue} />
        </div>
      )}
    </div>
  )
}

const CheckedAll = (props: {
  readonly of: Check
  readonly subject: Subject
  readonly isChanged: boolean
  readonly onPlace: (path: ReadonlyArray<string | number>) => void
}): ReactNode => {
  const { isChanged, of, onPlace, subject } = props
  return (
    <>
      {of.changes.length === 0 ? (
        isChanged ? null : (
          <p className="soft">
            Change something: what you change in this one is changed in all {count(subject.count)}.
          </p>
        )
      ) : (
        <>
          <ChangeList of={of.changes} hasOthers />
          <Outcome of={of} queue={subject.queue} />
        </>
      )}
      {of.issues.length === 0 ? null : <Issues of={of} type={undefined} onPlace={onPlace} />}
      {of.changes.length === 0 ? null : (
        <>
          <h2>What changes in this one</h2>
          <Diff before={of.before} after={of.after} />
        </>
      )}
    </>
  )
}

const Editor = (props: {
  readonly of: Subject
  readonly letter: string
  readonly payload: string
  readonly onEnd: () => void
}): ReactNode => {
  const { letter, of, onEnd, payload } = props
  const original = JsonText.format(payload)
  const [text, setText] = useState(original)
  const [asked, setAsked] = useState<"replay" | "keep">()
  const field = useRef<HTMLTextAreaElement>(null)
  const { queue, selection, snapshot } = of
  const result = useAtom(editAllCheck({ queue, selection, snapshot, letter, payload: text }))
  const check = Option.getOrUndefined(AsyncResult.value(result))
  const taken = check === undefined ? 0 : takenOf(check)
  return (
    <div className="edit">
      <section aria-labelledby="payload">
        <PayloadField field={field} original={original} text={text} onText={setText}>
          <Button kind="main" disabled={taken === 0} onClick={() => setAsked("replay")}>
            {taken === 0 ? "Edit and replay …" : `Edit and replay ${count(taken)} …`}
          </Button>
          <Button disabled={taken === 0} onClick={() => setAsked("keep")}>
            {taken === 0 ? "Edit and keep …" : `Edit and keep ${count(taken)} …`}
          </Button>
        </PayloadField>
      </section>
      <section aria-labelledby="changes">
        <h2 id="changes">Changes to all {count(of.count)}</h2>
        <Checked of={result}>
          {(check) => (
            <CheckedAll of={check} subject={of} isChanged={text !== original} onPlace={placing(field, text)} />
          )}
        </Checked>
      </section>
      {asked === undefined || check === undefined ? null : (
        <Question of={of} check={check} keep={asked === "keep"} onClose={() => setAsked(undefined)} onStarted={onEnd} />
      )}
    </div>
  )
}

export const EditGroup = (props: {
  readonly of: Subject
  /** The id of the dead letter that is changed. */
  readonly letter: string
  readonly onEnd: () => void
}): ReactNode => {
  const { letter, of, onEnd } = props
  const atom = deadLetter(of.snapshot, letter)
  const result = useAtom(atom)
  const again = useRefresh(atom)
  return (
    <section aria-labelledby="edit-all">
      <div className="edit-top">
        <h2 id="edit-all">Edit {counted(of.count, "dead letter")} at once</h2>
        <Button kind="quiet" onClick={onEnd}>
          Back to the list
        </Button>
      </div>
      <p className="soft">
        {count(of.count)} {of.words}. Change the payload of{" "}
        <Link to={{ _tag: "DeadLetter", queue: of.queue, id: letter }} className="mono">
          <Foreign text={letter} />
        </Link>{" "}
        here: the same changes are made to all of them.
      </p>
      <Loaded of={result} what="Opening one of them …" again={again} rows={8}>
        {({ payload }) =>
          payload === undefined ? (
            <Notice title="Its body is not an event">
              <p>Only the payloads of events can be edited. Tick rows that are events, and edit these.</p>
            </Notice>
          ) : (
            <Editor of={of} letter={letter} payload={payload} onEnd={onEnd} />
          )
        }
      </Loaded>
    </section>
  )
}
