/** The dead letters of a queue, from one look. */
import * as Option from "effect/Option"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import { type ReactNode, useState } from "react"
import type { Pulse, Snapshot, Summary } from "../../../src/ConsoleModel.ts"
import { EditGroup } from "../deadletters/EditGroup.tsx"
import { type Filter, filterOf, flagsOf, isFiltered, selectionOf } from "../deadletters/filter.ts"
import { Filters } from "../deadletters/Filters.tsx"
import { Groups } from "../deadletters/Groups.tsx"
import { Import } from "../deadletters/Import.tsx"
import { LetterPanel } from "../deadletters/LetterPanel.tsx"
import { List } from "../deadletters/List.tsx"
import { ReplayQuestion, type Subject, SubjectActions } from "../deadletters/questions.tsx"
import { QueueJob } from "../deadletters/QueueJob.tsx"
import { Age } from "../parts/AsOf.tsx"
import { Button } from "../parts/Button.tsx"
import { Crumbs } from "../parts/Crumbs.tsx"
import { Head } from "../parts/Head.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import { useAtom, usePart } from "../state/atoms.ts"
import { useKeys } from "../state/keys.ts"
import { jobs, pulse } from "../state/live.ts"
import { go, setQuery, usePlace } from "../state/place.ts"
import { look, lookAgain, page } from "../state/resources.ts"
import { useIsReadOnly, useSession } from "../state/session.ts"
import { command } from "../text/command.ts"
import { visible } from "../text/escape.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted, span, time } from "../text/format.ts"

type Look = typeof Snapshot.Type
type Item = typeof Summary.Type

/** Where the numbers of the page come from, and how far the queue has moved on since. */
const LookLine = ({ of }: { readonly of: Look }): ReactNode => {
  const queueIn = (now: typeof Pulse.Type | undefined) => now?.queues.find(({ name }) => name === of.queue)
  const waiting = usePart(pulse, (now) => queueIn(now)?.deadLetters)
  const consumers = usePart(pulse, (now) => queueIn(now)?.deadLetterConsumers) ?? 0
  const drift = waiting === undefined ? 0 : waiting - of.waiting
  return (
    <div className="look">
      <p className="as-of">
        One look at {time(of.takenAt)} (<Age at={of.takenAt} />
        ), took {span(of.took)} · looked at {count(of.looked)} of {count(of.waiting)}
      </p>
      {drift === 0 ? null : (
        <p>
          <span className="tag warn">{drift > 0 ? `+${count(drift)}` : `−${count(-drift)}`} since this look</span>{" "}
          <span className="soft">The groups and the list are from before.</span>
        </p>
      )}
      {of.note === undefined ? null : (
        <p className="warn-text">
          <Foreign text={of.note} />
        </p>
      )}
      {consumers === 0 ? null : (
        <p className="warn-text">
          {counted(consumers, "consumer takes", "consumers take")} from these dead letters: a look and a consumer
          disturb each other.
        </p>
      )}
    </div>
  )
}

/** Tells why a replay of a group would fail again, and what helps. */
const Advice = ({ reason }: { readonly reason: string | undefined }): ReactNode =>
  reason === "InvalidPayload" ? (
    <p className="soft">
      The schema refuses these payloads, and will refuse them again until its handler is changed or they are edited.
      Edit all of them at once: you change one, and the same changes are made to the others.
    </p>
  ) : null

/** All of the queue, apart from the rest of the actions. */
const WholeQueue = ({ of }: { readonly of: Look }): ReactNode => {
  const isReadOnly = useIsReadOnly()
  const showsBodies = useSession()?.bodies === "show"
  const all: Subject = {
    queue: of.queue,
    snapshot: of.id,
    selection: { all: true },
    count: of.count,
    words: "are all dead letters of the queue",
    ids: [],
    flags: {}
  }
  return (
    <section className="whole" aria-labelledby="whole">
      <h2 id="whole">The whole queue</h2>
      <div className="actions">
        <SubjectActions of={all} isReadOnly={isReadOnly} showsBodies={showsBodies} isMain={false} />
        {isReadOnly ? null : <Import queue={of.queue} />}
      </div>
    </section>
  )
}

/** The dead letters of a group or of filters, in words. */
const Selected = (props: { readonly filter: Filter; readonly reason: string | undefined }): ReactNode => {
  const { fingerprint, ...others } = props.filter
  if (fingerprint === undefined) return "match the filters"
  return (
    <>
      are of the group <Foreign text={props.reason ?? fingerprint} />
      {isFiltered(others) ? ", and match the filters" : ""}
    </>
  )
}

const Found = ({ of }: { readonly of: Look }): ReactNode => {
  const { query } = usePlace()
  const isReadOnly = useIsReadOnly()
  const showsBodies = useSession()?.bodies === "show"
  const [selected, setSelected] = useState<ReadonlyMap<string, Item>>(new Map())
  const [isAsked, setAsked] = useState(false)
  const filter = filterOf(query)
  const key = { snapshot: of.id, filter, order: query.get("order") === "newest" ? "newest" : "oldest" } as const
  const first = Option.getOrUndefined(AsyncResult.value(useAtom(page({ ...key, page: 0 }))))
  const matching = first?.matching ?? 0
  const opened = query.get("letter")
  const group = of.groups.find(({ fingerprint }) => fingerprint !== undefined && fingerprint === filter.fingerprint)
  /** Whether a job has changed the queue, so that another look comes first. */
  const isOutdated =
    usePart(jobs, (all) =>
      all?.some(
        ({ endedAt, queue, state }) => queue === of.queue && (state === "running" || (endedAt ?? 0) > of.takenAt)
      )
    ) === true
  const select = (item: Item) => {
    const next = new Map(selected)
    if (!next.delete(item.id)) next.set(item.id, item)
    setSelected(next)
  }
  const chosen: Subject | undefined =
    selected.size > 0
      ? {
          queue: of.queue,
          snapshot: of.id,
          selection: { ids: [...selected.keys()] },
          count: selected.size,
          words: selected.size === 1 ? "is selected" : "are selected",
          ids: [...selected.keys()],
          flags: {}
        }
      : isFiltered(filter)
        ? {
            queue: of.queue,
            snapshot: of.id,
            selection: selectionOf(filter),
            count: matching,
            words: <Selected filter={filter} reason={group?.reason} />,
            ids: [],
            flags: flagsOf(query)
          }
        : undefined
  /** The one in which the changes for all of them are made. */
  const sample = chosen?.ids[0] ?? first?.items[0]?.id
  const isEditing = query.get("edit") !== null && !isReadOnly && showsBodies
  const edit = () =>
    chosen?.count === 1 && sample !== undefined
      ? go({ _tag: "Edit", queue: of.queue, id: sample })
      : go({ _tag: "DeadLetters", queue: of.queue }, { ...Object.fromEntries(query), letter: undefined, edit: "all" })
  useKeys(
    isEditing
      ? {}
      : {
          ...(isReadOnly || chosen === undefined || opened !== null ? {} : { r: () => setAsked(true) }),
          ...(isReadOnly || chosen === undefined || opened !== null || !showsBodies || chosen.count === 0
            ? {}
            : { e: edit }),
          Escape: () => (opened !== null ? setQuery({ letter: undefined }) : setSelected(new Map()))
        }
  )
  if (isEditing && chosen !== undefined && chosen.count > 0 && sample !== undefined) {
    return (
      <EditGroup
        key={JSON.stringify([chosen.selection, sample])}
        of={chosen}
        letter={sample}
        onEnd={() => setQuery({ edit: undefined })}
      />
    )
  }
  return (
    <>
      <div className={opened === null ? "split" : "split with-letter"}>
        <Groups of={of} chosen={filter.fingerprint} />
        <section className="found" aria-label="Dead letters">
          <Filters of={of} query={query} isFiltered={isFiltered(filter)} />
          <div className="chosen">
            {chosen === undefined ? (
              <p className="soft">Choose a group, filter, or tick rows to replay or discard them.</p>
            ) : (
              <div className="actions">
                <SubjectActions
                  of={chosen}
                  isReadOnly={isReadOnly}
                  showsBodies={showsBodies}
                  isMain={!isOutdated}
                  onEdit={edit}
                />
                {selected.size > 0 ? (
                  <Button kind="quiet" onClick={() => setSelected(new Map())}>
                    Select none
                  </Button>
                ) : null}
              </div>
            )}
            {isReadOnly || chosen === undefined ? null : <Advice reason={group?.reason} />}
          </div>
          <List
            key={JSON.stringify(key)}
            queue={of.queue}
            look={key}
            opened={opened}
            selected={new Set(selected.keys())}
            onSelect={select}
            onOpen={(item) => setQuery({ letter: item.id })}
          />
        </section>
        {opened === null ? null : <LetterPanel queue={of.queue} snapshot={of.id} id={opened} />}
      </div>
      <WholeQueue of={of} />
      {isAsked && chosen !== undefined ? <ReplayQuestion of={chosen} onClose={() => setAsked(false)} /> : null}
    </>
  )
}

const Empty = ({ of }: { readonly of: Look }): ReactNode => (
  <>
    <Notice tone="good" title="No dead letters">
      <p>
        Every event of <Foreign text={of.queue} /> was handled, or still waits. Last looked at {time(of.takenAt)}.
      </p>
    </Notice>
    <WholeQueue of={of} />
  </>
)

export const DeadLetters = ({ queue }: { readonly queue: string }): ReactNode => {
  const { query } = usePlace()
  const result = useAtom(look(queue))
  const again = () => {
    setQuery({ letter: undefined, edit: undefined })
    lookAgain(queue)
  }
  const flags = flagsOf(query)
  return (
    <>
      <Head
        title="Dead letters"
        tab={`Dead letters of ${visible(queue)}`}
        above={<Crumbs queue={queue} />}
        command={
          Object.values(flags).some((value) => value !== undefined)
            ? command(["dlq", "peek", queue], { ...flags, newest: query.get("order") === "newest" })
            : command(["dlq", "groups", queue])
        }
        actions={
          <Button onClick={again} disabled={result.waiting}>
            {result.waiting ? "Looking …" : "Look again"}
          </Button>
        }
      />
      <QueueJob
        queue={queue}
        onLook={() => {
          // The job may have taken the whole group.
          setQuery({ group: undefined })
          again()
        }}
      />
      <Loaded
        of={result}
        what="Looking at the dead letters. A queue of 10,000 takes a few seconds …"
        again={again}
        rows={8}
      >
        {(of) => (
          <>
            <LookLine of={of} />
            {of.count === 0 ? <Empty of={of} /> : <Found key={of.id} of={of} />}
          </>
        )}
      </Loaded>
    </>
  )
}
