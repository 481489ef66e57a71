/** The events that the application has scheduled. */
import { type ReactNode, useState } from "react"
import { Ask } from "../parts/Ask.tsx"
import { AsOf } from "../parts/AsOf.tsx"
import { Button } from "../parts/Button.tsx"
import { Notice } from "../parts/Notice.tsx"
import { EventName, StoredPage } from "../parts/Stored.tsx"
import { Table } from "../parts/Table.tsx"
import * as actions from "../state/actions.ts"
import { useRefresh } from "../state/atoms.ts"
import { useTimed } from "../state/clock.ts"
import { schedule } from "../state/resources.ts"
import { useIsReadOnly } from "../state/session.ts"
import { command } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { moment, span } from "../text/format.ts"

const Due = ({ at }: { readonly at: number }): ReactNode => {
  const distance = useTimed((now) => (at > now ? `in ${span(at - now)}` : `due since ${span(now - at)}`))
  return (
    <>
      {moment(at)} <span className="soft">{distance}</span>
    </>
  )
}

export const Schedule = (): ReactNode => {
  const again = useRefresh(schedule)
  const isReadOnly = useIsReadOnly()
  const [asked, setAsked] = useState<{ readonly id: string; readonly type: string }>()
  return (
    <>
      <StoredPage
        title="Schedule"
        lead="Events that the application has scheduled. The next comes first."
        command={command(["schedule", "list"])}
        of={schedule}
      >
        {({ at, events }) => (
          <>
            {events.length === 0 ? (
              <Notice title="Nothing is scheduled" />
            ) : (
              <Table
                caption="Scheduled events"
                className="stack-table"
                columns={[
                  { name: "Event", cell: (event) => <EventName of={event} /> },
                  { name: "Due", cell: ({ due }) => <Due at={due} /> },
                  { name: "Key", cell: ({ key = "none" }) => <Foreign text={key} /> },
                  {
                    name: "",
                    cell: (event) => (isReadOnly ? null : <Button onClick={() => setAsked(event)}>Cancel it …</Button>)
                  }
                ]}
                rows={events}
                keyOf={({ id }) => id}
              />
            )}
            <AsOf
              at={at}
              source={
                events.length >= 100
                  ? "The first 100, asked of the application's database"
                  : "Asked of the application's database"
              }
            />
          </>
        )}
      </StoredPage>
      {asked === undefined ? null : (
        <Ask
          onClose={() => setAsked(undefined)}
          question={{
            title: (
              <>
                Cancel <Foreign text={asked.type} />?
              </>
            ),
            text: "It is not published. There is no undo.",
            yes: "Cancel it",
            no: "Leave it",
            isDangerous: true,
            command: command(["schedule", "cancel", asked.id]),
            act: () => actions.cancel(asked.id).then(again)
          }}
        />
      )}
    </>
  )
}
