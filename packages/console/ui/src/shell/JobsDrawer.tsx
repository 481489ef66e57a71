/** The jobs that run or have ended since the page was opened, at the foot of every page. `J` opens the drawer. */
import { type ReactNode, useState } from "react"
import type { Job } from "../../../src/ConsoleJob.ts"
import { Button } from "../parts/Button.tsx"
import { Icon } from "../parts/Icon.tsx"
import { JobBar, JobCard } from "../parts/JobCard.tsx"
import { Link } from "../parts/Link.tsx"
import { useAtom } from "../state/atoms.ts"
import { useKeys } from "../state/keys.ts"
import { jobs } from "../state/live.ts"
import { usePlace } from "../state/place.ts"
import { useIsReadOnly } from "../state/session.ts"
import { Foreign } from "../text/Foreign.tsx"
import { counted } from "../text/format.ts"

type AnyJob = typeof Job.Type

const isRunning = ({ state }: AnyJob): boolean => state === "running"

/** Those that run, in a line each. The page of a queue shows its own job in full. */
const Running = (props: { readonly of: ReadonlyArray<AnyJob> }): ReactNode => {
  const { page } = usePlace()
  const shown = "queue" in page ? page.queue : undefined
  return props.of
    .filter((job) => isRunning(job) && job.queue !== shown)
    .slice(0, 3)
    .map((job) => (
      <div key={job.id} className="drawer-line">
        <span>
          {job.kind} · <Foreign text={job.title} />
        </span>
        <JobBar job={job} />
      </div>
    ))
}

export const JobsDrawer = (): ReactNode => {
  const { page } = usePlace()
  const [since, setSince] = useState(() => Date.now())
  const [isOpen, setOpen] = useState(false)
  const isReadOnly = useIsReadOnly()
  const shown = (useAtom(jobs) ?? []).filter((job) => isRunning(job) || (job.endedAt ?? 0) >= since)
  useKeys({ J: () => setOpen((open) => !open) })
  if (shown.length === 0 || page._tag === "Jobs") return null
  const running = shown.filter(isRunning).length
  const ended = shown.length - running
  const words = [running > 0 && `${counted(running, "job runs", "jobs run")}`, ended > 0 && `${ended} ended`]
  return (
    <aside className="drawer" aria-label="Jobs">
      {isOpen ? (
        <div className="drawer-jobs" id="drawer" tabIndex={-1}>
          {shown.map((job) => (
            <JobCard key={job.id} job={job} isReadOnly={isReadOnly} heading="h2" />
          ))}
        </div>
      ) : (
        <Running of={shown} />
      )}
      <div className="drawer-foot">
        <Button kind="quiet" hint="J" expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Icon name="right" /> {words.filter((word) => word !== false).join(", ")}
        </Button>
        <Link to={{ _tag: "Jobs" }}>All jobs</Link>
        {running > 0 ? null : (
          <Button
            kind="quiet"
            onClick={() => {
              setSince(Date.now())
              setOpen(false)
            }}
          >
            Close
          </Button>
        )}
      </div>
    </aside>
  )
}
