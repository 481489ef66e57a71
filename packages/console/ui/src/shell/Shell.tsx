/** The frame of every page: the map of the console at the side, the page, and the jobs. */
import type { ReactNode } from "react"
import { useState } from "react"
import { Button } from "../parts/Button.tsx"
import { Icon } from "../parts/Icon.tsx"
import { Link } from "../parts/Link.tsx"
import { usePart } from "../state/atoms.ts"
import { setKeysEnabled, useKeys, useKeysEnabled } from "../state/keys.ts"
import { link, pulse } from "../state/live.ts"
import { go, usePlace } from "../state/place.ts"
import type { Page } from "../state/route.ts"
import { useSession } from "../state/session.ts"
import { Foreign } from "../text/Foreign.tsx"
import { Help } from "./Help.tsx"
import { JobsDrawer } from "./JobsDrawer.tsx"
import { Status } from "./Status.tsx"

interface Entry {
  readonly name: string
  readonly to: Page
  readonly keys?: string
}

const entries: ReadonlyArray<Entry> = [
  { name: "Overview", to: { _tag: "Overview" }, keys: "g o" },
  { name: "Jobs", to: { _tag: "Jobs" }, keys: "g j" },
  { name: "Tail", to: { _tag: "Tail" }, keys: "g t" },
  { name: "Topology", to: { _tag: "Topology" }, keys: "g p" },
  { name: "Contracts", to: { _tag: "Contracts" }, keys: "g c" },
  { name: "Outbox", to: { _tag: "Outbox" } },
  { name: "Schedule", to: { _tag: "Schedule" } },
  { name: "Doctor", to: { _tag: "Doctor" }, keys: "g h" }
]

const isWithin = (entry: Page, page: Page): boolean =>
  entry._tag === page._tag ||
  (entry._tag === "Overview" && ["Queue", "DeadLetters", "DeadLetter", "Edit"].includes(page._tag)) ||
  (entry._tag === "Tail" && page._tag === "Trace")

/** The queue that `g d` goes to: that of the page, or the one with the most dead letters. */
const useDeadLetters = (): (() => void) => {
  const { page } = usePlace()
  const most = usePart(
    pulse,
    (now) => now?.queues.toSorted((a, b) => (b.deadLetters ?? 0) - (a.deadLetters ?? 0))[0]?.name
  )
  const queue = "queue" in page ? page.queue : most
  return () => {
    if (queue !== undefined) go({ _tag: "DeadLetters", queue })
  }
}

const Brand = (): ReactNode => (
  <Link to={{ _tag: "Overview" }} className="brand" label="eventbus console, overview">
    <svg viewBox="0 0 32 20" width="32" height="20" aria-hidden="true">
      <path d="M1 6h30M12 6c0 8 2 9 9 9" />
      <circle cx="12" cy="6" r="3.6" />
      <rect x="21" y="11.5" width="7" height="7" rx="1.5" />
    </svg>
    <span>eventbus</span>
  </Link>
)

const Entries = (props: { readonly onGo: () => void }): ReactNode => {
  const { page } = usePlace()
  const features = useSession()?.features
  const shown = entries.filter(
    ({ to }) =>
      features === undefined ||
      (to._tag === "Outbox" ? features.outbox.available : to._tag === "Schedule" ? features.schedule.available : true)
  )
  return (
    <ul className="entries">
      {shown.map(({ keys, name, to }) => (
        <li key={name}>
          <Link to={to} current={isWithin(to, page)} onClick={props.onGo}>
            {name}
            {keys === undefined ? null : <kbd aria-hidden="true">{keys}</kbd>}
          </Link>
        </li>
      ))}
    </ul>
  )
}

const About = (): ReactNode => {
  const about = useSession()
  const isOn = useKeysEnabled()
  return (
    <div className="about">
      {about === undefined ? null : (
        <>
          <p>
            <Foreign text={about.broker} />
          </p>
          {about.readOnly ? <p className="tag warn">read-only</p> : null}
          {about.bodies === "show" ? null : (
            <p className="tag warn">{about.bodies === "hide" ? "bodies hidden" : "bodies redacted"}</p>
          )}
        </>
      )}
      <label className="switch">
        <input type="checkbox" checked={isOn} onChange={(event) => setKeysEnabled(event.target.checked)} /> Keys on
      </label>
    </div>
  )
}

export const Shell = (props: { readonly children: ReactNode }): ReactNode => {
  const [isHelp, setHelp] = useState(false)
  const [isMenu, setMenu] = useState(false)
  const deadLetters = useDeadLetters()
  const isLost = usePart(link, ({ _tag }) => _tag === "Lost")
  useKeys({
    "?": () => setHelp(true),
    ".": () => document.querySelector<HTMLButtonElement>("[data-copy=page]")?.click(),
    "g d": deadLetters,
    ...Object.fromEntries(entries.flatMap(({ keys, to }) => (keys === undefined ? [] : [[keys, () => go(to)]])))
  })
  return (
    <div className="shell">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          document.querySelector<HTMLElement>("main h1")?.focus()
        }}
      >
        Skip to the page
      </a>
      <header className={isMenu ? "side open" : "side"}>
        <div className="side-top">
          <Brand />
          <span className="menu-button">
            <Button kind="quiet" expanded={isMenu} controls="entries" onClick={() => setMenu(!isMenu)}>
              <Icon name={isMenu ? "close" : "menu"} /> Menu
            </Button>
          </span>
        </div>
        <nav aria-label="Console" id="entries" className="side-body">
          <Entries onGo={() => setMenu(false)} />
          <Status />
          <About />
          <Button kind="quiet" hint="?" onClick={() => setHelp(true)}>
            Keys and help
          </Button>
        </nav>
      </header>
      <div className="column">
        <main id="main" className={isLost ? "lost" : undefined}>
          {props.children}
        </main>
        <JobsDrawer />
      </div>
      <Help isOpen={isHelp} onClose={() => setHelp(false)} />
    </div>
  )
}
