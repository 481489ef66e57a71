/** The job that runs on a queue, or the one that ended while the page was open, where it was started. */
import { type ReactNode, useEffect, useRef, useState } from "react"
import { Button } from "../parts/Button.tsx"
import { JobCard } from "../parts/JobCard.tsx"
import { useAtom } from "../state/atoms.ts"
import { jobs } from "../state/live.ts"
import { useIsReadOnly } from "../state/session.ts"

export const QueueJob = (props: { readonly queue: string; readonly onLook: () => void }): ReactNode => {
  const { onLook, queue } = props
  const [opened] = useState(() => Date.now())
  const [closed, setClosed] = useState<string>()
  const isReadOnly = useIsReadOnly()
  const job = (useAtom(jobs) ?? []).find((job) => job.queue === queue)
  const place = useRef<HTMLDivElement>(null)
  const running = job?.state === "running" ? job.id : undefined
  // It may have been started at the foot of the page.
  useEffect(() => {
    if (running !== undefined) place.current?.scrollIntoView({ block: "center" })
  }, [running])
  if (job === undefined || job.id === closed) return null
  const isFresh = job.state === "running" || (job.endedAt ?? 0) >= opened
  if (!isFresh) return null
  return (
    <div className="queue-job" ref={place}>
      <JobCard job={job} isReadOnly={isReadOnly} heading="h2" />
      {job.state === "running" ? null : (
        <div className="actions">
          {job.failedAgain === undefined ? (
            <Button kind="main" onClick={onLook}>
              Look again
            </Button>
          ) : null}
          <Button kind="quiet" onClick={() => setClosed(job.id)}>
            Close
          </Button>
        </div>
      )}
    </div>
  )
}
