/** The payload of a dead letter in a field, and its problems. */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import type { ReactNode, RefObject } from "react"
import type { EditCheck } from "../../../src/ConsoleJob.ts"
import * as JsonText from "../../../src/internal/jsonText.ts"
import { Button } from "../parts/Button.tsx"
import { Failed, Notice } from "../parts/Notice.tsx"
import { problemOf } from "../state/problem.ts"
import { Foreign } from "../text/Foreign.tsx"
import { pathText } from "../text/path.ts"

type Check = typeof EditCheck.Type

/** Finds the last member of a path in a text: the line in which a problem probably is. */
const placeOf = (text: string, path: ReadonlyArray<string | number>): number => {
  let at = 0
  for (const part of path) {
    if (typeof part !== "string") continue
    const found = text.indexOf(JSON.stringify(part), at)
    if (found >= 0) at = found
  }
  return at
}

/** The problems of a payload, or that it has none. */
export const Issues = (props: {
  readonly of: Pick<Check, "issues" | "hasSchema">
  readonly type: string | undefined
  readonly onPlace: (path: ReadonlyArray<string | number>) => void
}): ReactNode => {
  const { of, onPlace, type } = props
  if (of.issues.length > 0) {
    return (
      <div className="notice bad" role="status">
        <p className="notice-title">{of.issues.length === 1 ? "One problem" : `${of.issues.length} problems`}</p>
        <ul className="issues">
          {of.issues.map(({ message, path }, index) => (
            <li key={index}>
              {path.length === 0 ? null : (
                <button type="button" className="button quiet mono" onClick={() => onPlace(path)}>
                  <Foreign text={pathText(path)} />
                </button>
              )}{" "}
              <Foreign text={message} lines />
            </li>
          ))}
        </ul>
      </div>
    )
  }
  return of.hasSchema ? (
    <Notice tone="good" title="The schema accepts it">
      <p>
        Checked with the schema of <Foreign text={type ?? "its type"} />.
      </p>
    </Notice>
  ) : (
    <Notice tone="warn" title="No schema is known">
      <p>It goes out unchecked. Start the console with the application's module to have it checked.</p>
    </Notice>
  )
}

/** The latest check of a payload, or why there is none yet. */
export const Checked = <A,>(props: {
  readonly of: AsyncResult.AsyncResult<A, unknown>
  readonly children: (check: A) => ReactNode
}): ReactNode => {
  const { children, of } = props
  const check = AsyncResult.value(of)
  if (Option.isSome(check)) return children(check.value)
  if (AsyncResult.isFailure(of)) return <Failed problem={problemOf(Cause.squash(of.cause))} />
  return (
    <p className="soft" role="status">
      Checking …
    </p>
  )
}

/** Returns a function that selects the place of a problem in a field. */
export const placing =
  (field: RefObject<HTMLTextAreaElement | null>, text: string) =>
  (path: ReadonlyArray<string | number>): void => {
    const at = placeOf(text, path)
    field.current?.focus()
    field.current?.setSelectionRange(at, text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at))
  }

export const PayloadField = (props: {
  readonly field: RefObject<HTMLTextAreaElement | null>
  /** The text to start over from. */
  readonly original: string
  readonly text: string
  readonly onText: (text: string) => void
  /** The buttons before those of the field itself. */
  readonly children: ReactNode
}): ReactNode => {
  const { children, field, onText, original, text } = props
  return (
    <>
      <h2 id="payload">Payload</h2>
      <textarea
        ref={field}
        aria-labelledby="payload"
        className="mono"
        spellCheck={false}
        value={text}
        rows={Math.min(28, Math.max(10, text.split("\n").length + 1))}
        onChange={(event) => onText(event.target.value)}
      />
      <div className="actions">
        {children}
        <Button onClick={() => onText(JsonText.format(text))}>Format</Button>
        <Button disabled={text === original} onClick={() => onText(original)}>
          Start over
        </Button>
      </div>
    </>
  )
}
