/** The outbox of the application: what waits, and what is parked. */
import { type ReactNode, useState } from "react"
import { Ask } from "../parts/Ask.tsx"
import { Age, AsOf } from "../parts/AsOf.tsx"
import { Button } from "../parts/Button.tsx"
import { Notice } from "../parts/Notice.tsx"
import { EventName, StoredPage } from "../parts/Stored.tsx"
import { Table } from "../parts/Table.tsx"
import * as actions from "../state/actions.ts"
import { useRefresh } from "../state/atoms.ts"
import { outbox } from "../state/resources.ts"
import { useIsReadOnly } from "../state/session.ts"
import { command } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { bytes, count, counted, span } from "../text/format.ts"

export const Outbox = (): ReactNode => {
  const again = useRefresh(outbox)
  const isReadOnly = useIsReadOnly()
  const [asked, setAsked] = useState<{ readonly id: string | undefined; readonly count: number }>()
  return (
    <>
      <StoredPage
        title="Outbox"
        lead="Events that the application stored with its data, on their way to the broker."
        command={command(["outbox", "parked"])}
        of={outbox}
      >
        {({ at, oldest, parked, parkedCount, waiting }) => (
          <>
            <dl className="sums">
              <div>
                <dt>Waiting</dt>
                <dd>{count(waiting)}</dd>
              </div>
              <div>
                <dt>Oldest that waits</dt>
                <dd>{oldest === undefined ? "none" : span(oldest)}</dd>
              </div>
              <div>
                <dt>Parked</dt>
                <dd className={parkedCount > 0 ? "dead-text" : undefined}>{count(parkedCount)}</dd>
              </div>
            </dl>
            <AsOf at={at} source="Asked of the application's database" />
            {parked.length === 0 ? (
              <Notice tone="good" title="Nothing is parked">
                <p>An event is parked when the broker refuses it for good. The others of its key wait behind it.</p>
              </Notice>
            ) : (
              <>
                <div className="actions">
                  {isReadOnly ? null : (
                    <Button onClick={() => setAsked({ id: undefined, count: parkedCount })}>Put all back …</Button>
                  )}
                </div>
                <Table
                  caption="Parked events"
                  className="stack-table"
                  columns={[
                    { name: "Event", cell: (event) => <EventName of={event} /> },
                    { name: "Reason", cell: ({ reason }) => <Foreign text={reason} /> },
                    { name: "Key", cell: ({ key = "none" }) => <Foreign text={key} /> },
                    { name: "Size", kind: "number", cell: (event) => bytes(event.bytes) },
                    { name: "Parked", cell: ({ parkedAt }) => <Age at={parkedAt} /> },
                    {
                      name: "",
                      cell: ({ id }) =>
                        isReadOnly ? null : <Button onClick={() => setAsked({ id, count: 1 })}>Put back …</Button>
                    }
                  ]}
                  rows={parked}
                  keyOf={({ id }) => id}
                />
                {parkedCount > parked.length ? (
                  <p className="soft">{`The first ${count(parked.length)} of ${count(parkedCount)} are shown.`}</p>
                ) : null}
              </>
            )}
          </>
        )}
      </StoredPage>
      {asked === undefined ? null : (
        <Ask
          onClose={() => setAsked(undefined)}
          question={{
            title: `Put ${counted(asked.count, "event")} back into the outbox?`,
            text: "The relay publishes them again. Where the cause is not mended, they are parked again.",
            yes: "Put back",
            no: "Leave them",
            command: command(["outbox", "requeue"], asked.id === undefined ? { all: true } : { event: asked.id }),
            act: () => actions.requeue(asked.id).then(again)
          }}
        />
      )}
    </>
  )
}
