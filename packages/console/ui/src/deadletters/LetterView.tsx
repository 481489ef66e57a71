/** A dead letter: why it is one, what it says, and what can be done about it. */
import { type ReactNode, useState } from "react"
import type { DeadLetter } from "../../../src/ConsoleModel.ts"
import { Age } from "../parts/AsOf.tsx"
import { Button } from "../parts/Button.tsx"
import { CopyCommand } from "../parts/Copy.tsx"
import { Link } from "../parts/Link.tsx"
import { Stack } from "../parts/Stack.tsx"
import { useKeys } from "../state/keys.ts"
import { go } from "../state/place.ts"
import { useIsReadOnly, useSession } from "../state/session.ts"
import { command } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { bytes, count, moment } from "../text/format.ts"
import { Body } from "./Body.tsx"
import { DiscardQuestion, ReplayQuestion, type Subject } from "./questions.tsx"

type AnyLetter = typeof DeadLetter.Type

const Facts = (props: { readonly rows: ReadonlyArray<readonly [name: string, value: ReactNode]> }): ReactNode => (
  <dl className="facts">
    {props.rows.map(([name, value]) =>
      value === undefined ? null : (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      )
    )}
  </dl>
)

const text = (value: string | undefined): ReactNode => (value === undefined ? undefined : <Foreign text={value} />)
const when = (value: number | undefined): ReactNode =>
  value === undefined ? undefined : (
    <>
      {moment(value)}{" "}
      <span className="soft">
        (<Age at={value} />)
      </span>
    </>
  )

export const subjectOf = (letter: AnyLetter): Subject => ({
  queue: letter.queue,
  snapshot: letter.snapshot,
  selection: { ids: [letter.id] },
  count: 1,
  words: "is selected",
  ids: [letter.id],
  flags: {}
})

const Actions = (props: { readonly of: AnyLetter; readonly isPage: boolean }): ReactNode => {
  const { isPage, of } = props
  const [asked, setAsked] = useState<"replay" | "discard">()
  const isReadOnly = useIsReadOnly()
  const session = useSession()
  const edit = () => go({ _tag: "Edit", queue: of.queue, id: of.id })
  // One of an ordered key can only be replayed as it is.
  const canEdit = !isReadOnly && session?.bodies === "show" && of.payload !== undefined && of.key === undefined
  useKeys(isReadOnly ? {} : { r: () => setAsked("replay"), ...(canEdit ? { e: edit } : {}) })
  const close = () => setAsked(undefined)
  return (
    <div className="actions">
      {isReadOnly ? null : (
        <Button kind="main" hint="r" onClick={() => setAsked("replay")}>
          Replay …
        </Button>
      )}
      {canEdit ? (
        <Button hint="e" onClick={edit}>
          Edit …
        </Button>
      ) : null}
      {isReadOnly ? null : <Button onClick={() => setAsked("discard")}>Discard …</Button>}
      {of.traceId === undefined ? null : (
        <Link to={{ _tag: "Trace", id: of.traceId }} query={{ queue: of.queue }} className="button plain">
          Follow its trace
        </Link>
      )}
      {isPage ? null : <CopyCommand text={command(["dlq", "show", of.queue, of.id])} />}
      {asked === "replay" ? <ReplayQuestion of={subjectOf(of)} onClose={close} /> : null}
      {asked === "discard" ? <DiscardQuestion of={subjectOf(of)} onClose={close} /> : null}
    </div>
  )
}

export const LetterView = (props: { readonly of: AnyLetter; readonly isPage?: boolean }): ReactNode => {
  const { isPage = false, of } = props
  const Heading = isPage ? "h2" : "h3"
  return (
    <div className="letter">
      <p className="fault">
        <span className="fault-reason">
          <Foreign text={of.reason ?? "No reason was recorded"} />
        </span>
        <span className="fault-message">
          <Foreign text={of.message} lines />
        </span>
      </p>
      <Actions of={of} isPage={isPage} />
      <Facts
        rows={[
          ["Failed", when(of.lastFailedAt)],
          ["First failed", of.firstFailedAt === of.lastFailedAt ? undefined : when(of.firstFailedAt)],
          ["Tries", of.attempts === 0 ? "none: no handler was asked" : count(of.attempts)],
          ["Replays", of.round === 0 ? "none" : `${count(of.round)}, and it failed again`],
          ["Host", text(of.host)],
          [
            "Group",
            of.fingerprint === undefined ? undefined : (
              <Link to={{ _tag: "DeadLetters", queue: of.queue }} query={{ group: of.fingerprint }}>
                <Foreign text={of.fingerprint} />
              </Link>
            )
          ],
          [
            "Key",
            of.key === undefined ? undefined : (
              <Link to={{ _tag: "DeadLetters", queue: of.queue }} query={{ key: of.key }}>
                <Foreign text={of.key} />
              </Link>
            )
          ],
          ["Waits for", text(of.behind)]
        ]}
      />
      {of.stack === undefined ? null : (
        <section aria-label="Stack">
          <Heading>Stack</Heading>
          <Stack stack={of.stack} />
        </section>
      )}
      <section aria-label="Body">
        <Heading>
          Body <span className="soft">{bytes(of.bytes)}</span>
        </Heading>
        <Body of={of} />
      </section>
      <section aria-label="Envelope">
        <Heading>Envelope</Heading>
        <Facts
          rows={[
            ["Id", text(of.id)],
            ["Type", text(of.type)],
            ["Version", of.version === undefined ? undefined : String(of.version)],
            ["Routing key", text(of.routingKey)],
            ["Queue", text(of.origin?.queue ?? of.queue)],
            ["Exchange", text(of.origin?.exchange)],
            ["Source", text(of.source)],
            ["Published", when(of.timestamp)],
            ["Priority", text(of.priority)],
            ["Trace", text(of.traceId)],
            ["Traceparent", text(of.traceparent)],
            ["Caused by", text(of.parentEventId)],
            ["Content type", text(of.contentType)],
            ["Content encoding", text(of.contentEncoding)]
          ]}
        />
      </section>
    </div>
  )
}
