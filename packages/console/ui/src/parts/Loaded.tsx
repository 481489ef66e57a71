/** The value of a resource, or what there is instead of it. */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import { type ReactNode, useEffect } from "react"
import { useAtom } from "../state/atoms.ts"
import { jobs } from "../state/live.ts"
import { type Problem, problemOf } from "../state/problem.ts"
import { Foreign } from "../text/Foreign.tsx"
import { Button } from "./Button.tsx"
import { Failed, Notice } from "./Notice.tsx"

export const Skeleton = (props: { readonly rows?: number; readonly what: string }): ReactNode => (
  <div className="skeleton" role="status">
    <p className="soft">{props.what}</p>
    {Array.from({ length: props.rows ?? 4 }, (_, index) => (
      <span key={index} aria-hidden="true" />
    ))}
  </div>
)

/** What waits for the job that stands in its way, and goes on by itself when that has ended. */
const Waiting = (props: { readonly problem: Problem; readonly again: () => void }): ReactNode => {
  const { again, problem } = props
  const job = useAtom(jobs)?.find(({ id }) => id === problem.job)
  const isOver = job !== undefined && job.state !== "running"
  useEffect(() => {
    if (isOver) again()
  }, [again, isOver])
  return (
    <Notice title="The look waits for the job" action={<Button onClick={again}>Try again</Button>}>
      <p role="status">
        <Foreign text={problem.message} />. The page looks when the job has ended.
      </p>
    </Notice>
  )
}

export const Loaded = <A, E>(props: {
  readonly of: AsyncResult.AsyncResult<A, E>
  /** What the page waits for, such as `Looking at the dead letters …`. */
  readonly what: string
  readonly again?: () => void
  readonly rows?: number
  readonly children: (value: A) => ReactNode
}): ReactNode => {
  const { again, children, of, rows = 4, what } = props
  const value = AsyncResult.value(of)
  const problem = AsyncResult.isFailure(of) && !of.waiting ? problemOf(Cause.squash(of.cause)) : undefined
  const retry = again === undefined ? undefined : <Button onClick={again}>Try again</Button>
  return (
    <>
      {problem === undefined ? null : problem.tag === "Busy" && again !== undefined ? (
        <Waiting problem={problem} again={again} />
      ) : (
        <Failed problem={problem} action={retry} />
      )}
      {Option.isSome(value) ? (
        <div
          className={AsyncResult.isFailure(of) && problem?.tag !== "Busy" ? "stale" : undefined}
          aria-busy={of.waiting}
        >
          {children(value.value)}
        </div>
      ) : problem !== undefined ? null : (
        <Skeleton what={what} rows={rows} />
      )}
    </>
  )
}
