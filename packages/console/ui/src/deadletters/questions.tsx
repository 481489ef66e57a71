/** The questions before dead letters are replayed or discarded. */
import { type ReactNode, useState } from "react"
import type { Selection } from "../../../src/ConsoleJob.ts"
import { Ask } from "../parts/Ask.tsx"
import { Button } from "../parts/Button.tsx"
import * as actions from "../state/actions.ts"
import { usePart } from "../state/atoms.ts"
import { download } from "../state/download.ts"
import { pulse } from "../state/live.ts"
import { command, type Flags } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted } from "../text/format.ts"
import { exportQuery } from "./filter.ts"
import { manyReplays, useRate } from "./rate.tsx"

/** Dead letters that an action is meant for. */
export interface Subject {
  readonly queue: string
  readonly snapshot: string
  readonly selection: typeof Selection.Type
  readonly count: number
  /** The selection in words, such as `of this group`. */
  readonly words: ReactNode
  /** The ids and flags of the same command. */
  readonly ids: ReadonlyArray<string>
  readonly flags: Flags
}

/** From more than this on, the count must be typed. */
export const manyTyped = 10
/** A command with more ids would be longer than a shell takes. */
const maxIds = 50

const commandOf = (verb: string, { flags, ids, queue }: Subject, own: Flags = {}): string | undefined =>
  ids.length > maxIds ? undefined : command(["dlq", verb, queue, ...ids], { ...flags, ...own })

export const ReplayQuestion = (props: { readonly of: Subject; readonly onClose: () => void }): ReactNode => {
  const { of, onClose } = props
  const { field, isValid, rate } = useRate(of.count)
  const consumers = usePart(pulse, (now) => now?.queues.find(({ name }) => name === of.queue)?.consumers)
  return (
    <Ask
      onClose={onClose}
      question={{
        title: (
          <>
            Replay {counted(of.count, "dead letter")} to <Foreign text={of.queue} />?
          </>
        ),
        text: (
          <>
            <p>
              {count(of.count)} {of.words}. Each is delivered again as on its first attempt. It leaves the dead letters
              once its copy is safe in the queue. You can stop in between; a replay cannot be undone.
            </p>
            {consumers === 0 ? <p className="warn-text">The queue has no consumer: they will wait there.</p> : null}
            {field}
          </>
        ),
        typed:
          of.selection.all === true && of.count > manyReplays
            ? { label: "To replay all of the queue, type its name:", text: of.queue }
            : undefined,
        command: commandOf("replay", of, { rate: isValid ? rate : undefined }),
        yes: `Replay ${count(of.count)}`,
        no: "Leave them",
        isReady: isValid,
        act: () => actions.replay(of.queue, of.selection, of.snapshot, rate)
      }}
    />
  )
}

/** Downloads the dead letters as NDJSON. */
export const exportOf = ({ queue, selection, snapshot }: Subject) =>
  download(`${queue}-dead-letters.ndjson`, `/snapshots/${encodeURIComponent(snapshot)}/export`, exportQuery(selection))

export const DiscardQuestion = (props: { readonly of: Subject; readonly onClose: () => void }): ReactNode => {
  const { of, onClose } = props
  return (
    <Ask
      onClose={onClose}
      question={{
        title: (
          <>
            Discard {counted(of.count, "dead letter")} of <Foreign text={of.queue} />?
          </>
        ),
        text: (
          <p>
            {count(of.count)} {of.words}. The server keeps them for ten minutes, so that you can put them back: behind
            the other dead letters, in another order. Afterwards they are gone.
          </p>
        ),
        typed:
          of.count > manyTyped ? { label: "To discard them, type their number:", text: String(of.count) } : undefined,
        command: commandOf("discard", of),
        yes: `Discard ${count(of.count)}`,
        no: "Leave them",
        isDangerous: true,
        act: () => actions.discard(of.queue, of.selection, of.snapshot),
        onProblem: ({ tag }) =>
          tag === "ExportFirst" ? <Button onClick={() => void exportOf(of)}>Export them as NDJSON</Button> : undefined
      }}
    />
  )
}

/** The buttons for a subject. `r` asks for a replay, `onEdit` for an edit of all. */
export const SubjectActions = (props: {
  readonly of: Subject
  readonly isReadOnly: boolean
  readonly showsBodies: boolean
  readonly isMain?: boolean
  readonly onEdit?: () => void
}): ReactNode => {
  const { isMain = true, isReadOnly, of, onEdit, showsBodies } = props
  const [asked, setAsked] = useState<"replay" | "discard">()
  const close = () => setAsked(undefined)
  return (
    <>
      {isReadOnly ? null : (
        <>
          <Button kind={isMain ? "main" : "plain"} disabled={of.count === 0} onClick={() => setAsked("replay")}>
            {`Replay ${count(of.count)} …`}
          </Button>
          {showsBodies && onEdit !== undefined && of.count > 0 ? (
            <Button onClick={onEdit}>{`Edit ${count(of.count)} …`}</Button>
          ) : null}
          <Button
            disabled={of.count === 0}
            onClick={() => setAsked("discard")}
          >{`Discard ${count(of.count)} …`}</Button>
        </>
      )}
      {showsBodies ? (
        <Button kind="quiet" disabled={of.count === 0} onClick={() => void exportOf(of)}>
          Export
        </Button>
      ) : null}
      {asked === "replay" ? <ReplayQuestion of={of} onClose={close} /> : null}
      {asked === "discard" ? <DiscardQuestion of={of} onClose={close} /> : null}
    </>
  )
}
