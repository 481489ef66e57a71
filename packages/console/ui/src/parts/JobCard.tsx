/** A job of the server: its selection, tally, rate, and what can still be done about it. */
import { type ReactNode, useState } from "react"
import type { Job } from "../../../src/ConsoleJob.ts"
import * as actions from "../state/actions.ts"
import { usePart } from "../state/atoms.ts"
import { useCalm } from "../state/calm.ts"
import { useTimed } from "../state/clock.ts"
import { download } from "../state/download.ts"
import { jobs, pulse } from "../state/live.ts"
import { type Problem, problemOf } from "../state/problem.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted, moment, rate, span, time } from "../text/format.ts"
import { Button } from "./Button.tsx"
import { CopyCommand } from "./Copy.tsx"
import { Link } from "./Link.tsx"
import { Failed } from "./Notice.tsx"
import { Refusals } from "./Refusals.tsx"

type AnyJob = typeof Job.Type

const done = {
  replay: "replayed",
  discard: "discarded",
  edit: "replayed",
  import: "put back",
  undo: "put back"
} as const
const states = {
  running: ["plain", "running"],
  done: ["good", "done"],
  stopped: ["warn", "stopped"],
  failed: ["bad", "failed"]
} as const

/** Less than this long, a rate tells nothing about the rest. */
const minMillis = 5000

const totalOf = ({ expected, tally }: AnyJob): number =>
  Math.max(expected ?? 0, tally.waiting === 0 || expected !== undefined ? 0 : tally.waiting, tally.done + tally.failed)

/** The tally in words. */
export const tallyOf = (job: AnyJob): string => {
  const { failed, skipped } = job.tally
  const parts = [
    `${count(job.tally.done)}${job.state === "running" ? ` of ${count(totalOf(job))}` : ""} ${job.keep === true ? "edited" : done[job.kind]}`
  ]
  if (failed > 0) parts.push(`${count(failed)} failed`)
  // While it runs, these are only those that it has passed by.
  if (skipped > 0 && job.kind !== "import" && job.state !== "running")
    parts.push(`${counted(skipped, "other")} left alone`)
  return parts.join(", ")
}

export const JobBar = (props: { readonly job: AnyJob }): ReactNode => {
  const { job } = props
  const tells = useTimed((now) => job.state === "running" && now - job.startedAt >= minMillis)
  const calm = useCalm(tallyOf(job))
  const total = totalOf(job)
  const left = Math.max(0, total - job.tally.done - job.tally.failed)
  return (
    <div className="job-bar">
      <progress
        max={Math.max(1, total)}
        value={job.tally.done + job.tally.failed}
        aria-label={`Progress of ${job.kind}`}
      />
      <span className="numbers">{tallyOf(job)}</span>
      <span className="hidden" role="status">
        {calm}
      </span>
      {job.state === "running" && job.perSecond !== undefined ? (
        <span className="numbers soft">
          {rate(job.perSecond)}
          {tells && job.perSecond > 0 && left > 0 ? ` · about ${span((left / job.perSecond) * 1000)} left` : ""}
        </span>
      ) : null}
    </div>
  )
}

const useAct = () => {
  const [isActing, setActing] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const act = (f: () => Promise<unknown>) => {
    setActing(true)
    setProblem(undefined)
    f()
      .catch((error: unknown) => setProblem(problemOf(error)))
      .finally(() => setActing(false))
  }
  return { act, isActing, problem }
}

const Undo = (props: { readonly job: AnyJob; readonly isActing: boolean; readonly onUndo: () => void }): ReactNode => {
  const { isActing, job, onUndo } = props
  const until = job.undo?.until ?? 0
  const left = useTimed((now) => (until > now ? span(until - now) : undefined))
  const isBusy = usePart(jobs, (all) => all?.some(({ queue, state }) => queue === job.queue && state === "running"))
  if (job.undo === undefined) return null
  const { count: kept, state } = job.undo
  if (state === "done") return <span className="soft">put back</span>
  if (state === "expired" || left === undefined) return <span className="soft">can no longer be undone</span>
  return (
    <>
      <Button onClick={onUndo} disabled={isActing || isBusy === true}>
        {`Undo: put ${count(kept)} back`}
      </Button>
      <span className="soft">for {left} more; they go behind the other dead letters, in another order</span>
    </>
  )
}

/** Nothing came back: either all went well, or nothing has tried yet. */
const CameBackNone = (props: { readonly done: number; readonly queue: string; readonly when: string }): ReactNode => {
  const { done, queue, when } = props
  const consumers = usePart(pulse, (now) => now?.queues.find(({ name }) => name === queue)?.consumers)
  return (
    <p className="soft">
      {done === 1 ? "It had not" : "None of them had"} {when}
      {consumers === 0
        ? `, but the queue has no consumer now: ${done === 1 ? "it" : "some"} may wait there still.`
        : "."}
    </p>
  )
}

/** What is known of those that were replayed: by a look, or before one by the number of dead letters. */
const CameBack = ({ of: { cameBack, failedAgain, queue, tally } }: { readonly of: AnyJob }): ReactNode => {
  const { done } = tally
  const came = failedAgain?.count ?? cameBack
  if (done === 0 || came === undefined) return null
  const at = failedAgain === undefined ? undefined : time(failedAgain.at)
  if (came === 0) {
    return <CameBackNone done={done} queue={queue} when={at ? `failed again at ${at}` : "come back seconds later"} />
  }
  return (
    <p className="warn-text">
      {at === undefined
        ? `${counted(came, "dead letter")} came since. Look again to see whether ${done === 1 ? "it" : "some of these"} failed again.`
        : `${count(came)} of these ${count(done)} had failed again at ${at}.`}
    </p>
  )
}

/** Why it failed, or some of its dead letters did. */
const Failures = ({ of: { failure, queue, tally } }: { readonly of: AnyJob }): ReactNode => {
  const { refusals } = tally
  const text = failure ?? (refusals.length === 0 ? tally.failure : undefined)
  return (
    <>
      {text === undefined ? null : (
        <p className="bad-text">
          <Foreign text={text} lines />
        </p>
      )}
      {refusals.length === 0 ? null : (
        <div>
          <p>Left out, and why:</p>
          <Refusals of={refusals} queue={queue} />
        </div>
      )}
    </>
  )
}

export const JobCard = (props: {
  readonly job: AnyJob
  readonly isReadOnly: boolean
  readonly isMarked?: boolean
  readonly heading?: "h2" | "h3"
}): ReactNode => {
  const { heading: Heading = "h3", isMarked = false, isReadOnly, job } = props
  const { act, isActing, problem } = useAct()
  const [tone, word] = states[job.state]
  return (
    <article className={isMarked ? "job marked" : "job"} aria-label={`${job.kind} on ${job.queue}`}>
      <div className="job-top">
        <Heading>
          <span className="job-kind">{job.kind}</span> <Foreign text={job.title} />
        </Heading>
        <span className={`tag ${tone}`}>{word}</span>
      </div>
      <p className="soft">
        <Link to={{ _tag: "DeadLetters", queue: job.queue }}>
          <Foreign text={job.queue} />
        </Link>{" "}
        · started {moment(job.startedAt)}
        {job.endedAt === undefined ? "" : `, took ${span(job.endedAt - job.startedAt)}`}
        {job.rate === undefined ? "" : ` · at most ${rate(job.rate)}`}
        {job.by === undefined ? null : (
          <>
            {" "}
            · by <Foreign text={job.by} />
          </>
        )}
      </p>
      <JobBar job={job} />
      <Failures of={job} />
      <CameBack of={job} />
      {problem === undefined ? null : <Failed problem={problem} />}
      <div className="actions">
        {job.state === "running" && !isReadOnly ? (
          <Button onClick={() => act(() => actions.stop(job.id))} disabled={isActing}>
            Stop
          </Button>
        ) : null}
        {isReadOnly ? null : <Undo job={job} isActing={isActing} onUndo={() => act(() => actions.undo(job.id))} />}
        {job.kind === "edit" || job.undo?.state === "possible" ? (
          <Button
            kind="quiet"
            onClick={() =>
              act(() => download(`${job.queue}-${job.id}.ndjson`, `/jobs/${encodeURIComponent(job.id)}/kept`))
            }
          >
            {job.kind === "edit" ? "Download them as they were" : "Download what was discarded"}
          </Button>
        ) : null}
        {job.command === undefined ? null : <CopyCommand text={job.command} />}
      </div>
    </article>
  )
}
