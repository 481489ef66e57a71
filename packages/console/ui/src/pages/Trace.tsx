/** A trace: events, the events that they caused, and those that became dead letters. Live. */
import type { ReactNode } from "react"
import type { Trace as TraceModel, TraceNode } from "../../../src/ConsoleInspection.ts"
import { Age } from "../parts/AsOf.tsx"
import { Button } from "../parts/Button.tsx"
import { Head } from "../parts/Head.tsx"
import { Icon } from "../parts/Icon.tsx"
import { Link } from "../parts/Link.tsx"
import { Skeleton } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import { TraceMap } from "../parts/TraceMap.tsx"
import { useAtom } from "../state/atoms.ts"
import { ended, link, trace, useLive } from "../state/live.ts"
import { setQuery, usePlace } from "../state/place.ts"
import { command } from "../text/command.ts"
import { visible } from "../text/escape.ts"
import { Foreign } from "../text/Foreign.tsx"
import { counted, cut, span, time } from "../text/format.ts"

type Node = typeof TraceNode.Type

interface Tree {
  readonly node: Node
  readonly caused: ReadonlyArray<Tree>
}

/** Makes trees of nodes that stand after their parents. */
const treesOf = (nodes: ReadonlyArray<Node>): ReadonlyArray<Tree> => {
  const children = new Map<string | undefined, Array<Node>>()
  const known = new Set(nodes.map(({ eventId }) => eventId))
  for (const node of nodes) {
    const parent = node.parent !== undefined && known.has(node.parent) && node.depth > 0 ? node.parent : undefined
    children.set(parent, [...(children.get(parent) ?? []), node])
  }
  const below = (parent: string | undefined): ReadonlyArray<Tree> =>
    (children.get(parent) ?? []).map((node) => ({ node, caused: below(node.eventId) }))
  return below(undefined)
}

const Branch = (props: { readonly trees: ReadonlyArray<Tree>; readonly start: number }): ReactNode => (
  <ul className="tree">
    {props.trees.map(({ caused, node }) => (
      <li key={node.eventId}>
        <div className="tree-node">
          <span className="tree-type">
            <Foreign text={node.eventType} />
          </span>
          <span className="numbers soft" title={time(node.timestamp)}>
            +{span(Math.max(0, node.timestamp - props.start))}
          </span>
          {node.source === undefined ? null : (
            <span className="soft">
              <Foreign text={node.source} />
            </span>
          )}
          <span className="mono soft" title={visible(node.eventId)}>
            {visible(cut(node.eventId, 9))}
          </span>
        </div>
        {node.sightings.map(({ deadLetterOf, fault, queue }, index) =>
          fault === undefined ? null : (
            <p key={index} className="tree-dead">
              <Icon name="dead" /> dead letter of{" "}
              <Link to={{ _tag: "DeadLetter", queue: deadLetterOf ?? queue, id: node.eventId }}>
                <Foreign text={deadLetterOf ?? queue} />
              </Link>{" "}
              after {counted(fault.attempts, "attempt")}:{" "}
              <strong>
                <Foreign text={fault.reason} />
              </strong>{" "}
              <Foreign text={cut(fault.message, 300)} />
            </p>
          )
        )}
        {caused.length === 0 ? null : <Branch trees={caused} start={props.start} />}
      </li>
    ))}
  </ul>
)

const Found = (props: { readonly of: typeof TraceModel.Type; readonly view: "tree" | "map" }): ReactNode => {
  const { of, view } = props
  const dead = of.nodes.filter(({ sightings }) => sightings.some(({ fault }) => fault !== undefined)).length
  const start = Math.min(...of.nodes.map(({ timestamp }) => timestamp))
  return (
    <>
      <p role="status" className="row">
        <strong>{counted(of.nodes.length, "event")}</strong>
        {dead === 0 ? (
          <span className="tag good">no dead letter</span>
        ) : (
          <span className="tag bad">{counted(dead, "dead letter")}</span>
        )}
      </p>
      {view === "tree" ? <Branch trees={treesOf(of.nodes)} start={start} /> : <TraceMap nodes={of.nodes} />}
      {of.isFull ? (
        <p className="warn-text">At most 1,000 events and dead letters of a trace are followed. There may be more.</p>
      ) : null}
    </>
  )
}

export const Trace = ({ id }: { readonly id: string }): ReactNode => {
  const { query } = usePlace()
  const queue = query.get("queue") ?? undefined
  const view = query.get("view") === "map" ? "map" : "tree"
  useLive({ trace: id, queue })
  const seen = useAtom(trace)
  const over = useAtom(ended)
  const state = useAtom(link)
  return (
    <>
      <Head
        title={
          <>
            Trace{" "}
            <span className="mono">
              <Foreign text={id} />
            </span>
          </>
        }
        tab={`Trace ${visible(id)}`}
        command={command(["trace", id], { queue })}
        actions={
          <div className="segments" role="group" aria-label="View of the trace">
            <Button kind="quiet" pressed={view === "tree"} onClick={() => setQuery({ view: undefined })}>
              Tree
            </Button>
            <Button kind="quiet" pressed={view === "map"} onClick={() => setQuery({ view: "map" })}>
              Map
            </Button>
          </div>
        }
      />
      {over === undefined ? null : (
        <Notice tone="warn" title="The server no longer follows this trace">
          <p>
            <Foreign text={over} />
          </p>
        </Notice>
      )}
      {seen === undefined ? (
        state._tag === "Lost" ? null : (
          <Skeleton what="Following the trace, and looking for its dead letters …" />
        )
      ) : (
        <>
          {seen.nodes.length === 0 ? (
            <Notice title="Nothing yet">
              <p>Earlier events that went well are not kept anywhere. New ones appear as they are published.</p>
            </Notice>
          ) : (
            <Found of={seen} view={view} />
          )}
          <p className="as-of">
            Seen on the broker since {time(seen.since)} (<Age at={seen.since} />)
            {queue === undefined ? (
              ", and the dead letters of the known queues"
            ) : (
              <>
                , and the dead letters of <Foreign text={queue} />
              </>
            )}
            . Earlier events show only as dead letters.
          </p>
        </>
      )}
    </>
  )
}
