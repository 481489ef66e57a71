/** The jobs of the server: those that run, and the last ones that ended. */
import type { ReactNode } from "react"
import { Head } from "../parts/Head.tsx"
import { JobCard } from "../parts/JobCard.tsx"
import { Skeleton } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import { useAtom } from "../state/atoms.ts"
import { jobs } from "../state/live.ts"
import { usePlace } from "../state/place.ts"
import { useIsReadOnly } from "../state/session.ts"

export const Jobs = (): ReactNode => {
  const { query } = usePlace()
  const isReadOnly = useIsReadOnly()
  const all = useAtom(jobs)
  const running = all?.filter(({ state }) => state === "running") ?? []
  const ended = all?.filter(({ state }) => state !== "running") ?? []
  const list = (of: typeof running) =>
    of.map((job) => <JobCard key={job.id} job={job} isReadOnly={isReadOnly} isMarked={job.id === query.get("job")} />)
  return (
    <>
      <Head
        title="Jobs"
        tab="Jobs"
        lead={<p>A job belongs to the server: it goes on when you close the page. Each queue has one at a time.</p>}
      />
      {all === undefined ? (
        <Skeleton what="Asking the server for its jobs …" />
      ) : all.length === 0 ? (
        <Notice title="No job has run since this console started">
          <p>Replays, discards and imports appear here, with what became of them.</p>
        </Notice>
      ) : (
        <>
          <section aria-labelledby="running">
            <h2 id="running">Running</h2>
            {running.length === 0 ? <p className="soft">None at the moment.</p> : list(running)}
          </section>
          <section aria-labelledby="ended">
            <h2 id="ended">Ended</h2>
            {ended.length === 0 ? <p className="soft">None yet.</p> : list(ended)}
          </section>
        </>
      )}
    </>
  )
}
