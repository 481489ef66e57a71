/** Events as they are published. The last 500 are kept; a hidden page takes none. */
import { type FormEvent, type ReactNode, useState } from "react"
import type { Tailed } from "../../../src/ConsoleInspection.ts"
import { Button } from "../parts/Button.tsx"
import { Head } from "../parts/Head.tsx"
import { Link } from "../parts/Link.tsx"
import { Notice } from "../parts/Notice.tsx"
import { useAtom } from "../state/atoms.ts"
import { useKeys } from "../state/keys.ts"
import { ended, link, tail, type Tail as TailState, useLive } from "../state/live.ts"
import { setQuery, usePlace } from "../state/place.ts"
import { command } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { bytes, count, counted, time } from "../text/format.ts"

type AnyEvent = typeof Tailed.Type

/** More rows than this are slow to draw, and nobody reads them. */
const maxRows = 200

const includes = (text: string) => (event: AnyEvent) =>
  [event.routingKey, event.type, event.source, event.id, event.traceId, event.body].some(
    (value) => value?.toLowerCase().includes(text.toLowerCase()) === true
  )

const Row = ({ of }: { readonly of: AnyEvent }): ReactNode => (
  <li>
    <details>
      <summary>
        <span className="numbers soft">{time(of.at)}</span>
        <span className="tail-key">
          <Foreign text={of.routingKey} />
        </span>
        <span className="soft">
          <Foreign text={of.source ?? ""} />
        </span>
        <span className="numbers soft">{bytes(of.bytes)}</span>
      </summary>
      <dl className="facts">
        {(
          [
            ["Id", of.id],
            ["Type", of.type],
            ["Priority", of.priority]
          ] as const
        ).map(([name, value]) =>
          value === undefined ? null : (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <Foreign text={value} />
              </dd>
            </div>
          )
        )}
        {of.traceId === undefined ? null : (
          <div>
            <dt>Trace</dt>
            <dd>
              <Link to={{ _tag: "Trace", id: of.traceId }}>
                <Foreign text={of.traceId} />
              </Link>
            </dd>
          </div>
        )}
      </dl>
      {of.body === undefined ? (
        <p className="soft">Bodies are hidden.</p>
      ) : (
        <pre className="body-text" tabIndex={0} role="region" aria-label="Body">
          <Foreign text={of.body} lines />
        </pre>
      )}
    </details>
  </li>
)

export const Tail = (): ReactNode => {
  const { query } = usePlace()
  const pattern = query.get("pattern") ?? "#"
  const words = query.get("q") ?? ""
  const [typed, setTyped] = useState(pattern)
  const [frozen, setFrozen] = useState<TailState>()
  useLive({ tail: pattern })
  const live = useAtom(tail)
  const over = useAtom(ended)
  const state = useAtom(link)
  const shown = frozen ?? live
  const events = shown.events
    .filter(words === "" ? () => true : includes(words))
    .toReversed()
    .slice(0, maxRows)
  const field = "tail-filter"
  useKeys({ "/": () => document.getElementById(field)?.focus() })
  const follow = (event: FormEvent) => {
    event.preventDefault()
    setFrozen(undefined)
    setQuery({ pattern: typed === "#" ? undefined : typed })
  }
  return (
    <>
      <Head
        title="Tail"
        tab="Tail"
        lead={<p>Events as they are published, seen by an onlooker of its own. It takes nothing from any queue.</p>}
        command={command(["tail", ...(pattern === "#" ? [] : [pattern])])}
        actions={
          <Button
            kind={frozen === undefined ? "plain" : "main"}
            onClick={() => setFrozen(frozen === undefined ? live : undefined)}
          >
            {frozen === undefined ? "Pause" : "Go on"}
          </Button>
        }
      />
      <form className="filters" onSubmit={follow}>
        <label className="filter wide">
          <span>Routing keys: * is one word, # any number</span>
          <input
            className="mono"
            value={typed}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <button type="submit" className="button plain" disabled={typed === pattern || typed === ""}>
          Follow
        </button>
        <label className="filter wide">
          <span>
            Show only those with this text <kbd aria-hidden="true">/</kbd>
          </span>
          <input
            id={field}
            type="search"
            value={words}
            autoComplete="off"
            onChange={(event) => setQuery({ q: event.target.value })}
          />
        </label>
      </form>
      {over === undefined ? null : (
        <Notice tone="bad" title="The tail has ended">
          <p>
            <Foreign text={over} />
          </p>
        </Notice>
      )}
      <p className="as-of" role="status">
        {frozen !== undefined
          ? `Paused. ${count(Math.max(0, live.events.length - frozen.events.length))} came in since.`
          : state._tag === "Open"
            ? "Following"
            : state._tag === "Hidden"
              ? "Stopped while the page is hidden"
              : "Connecting …"}{" "}
        · {counted(shown.events.length, "event")} kept of the last 500
        {events.length < shown.events.length ? `, ${count(events.length)} shown` : ""}
        {shown.omitted > 0
          ? ` · ${counted(shown.omitted, "event was", "events were")} left out, because more than 100 a second came`
          : ""}
      </p>
      {events.length === 0 ? (
        <Notice title={shown.events.length === 0 ? "Nothing was published yet" : "No event has this text"}>
          <p>
            {shown.events.length === 0
              ? "Events appear here as they are published. Earlier ones are not kept anywhere."
              : "Clear the text to see all of them."}
          </p>
        </Notice>
      ) : (
        <ul className="tail">
          {events.map((event) => (
            <Row key={event.number} of={event} />
          ))}
        </ul>
      )}
    </>
  )
}
