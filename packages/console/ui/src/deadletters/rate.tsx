/** The limit of a replay, as a field of its question. */
import { type ReactNode, useState } from "react"
import { span } from "../text/format.ts"

/** From so many on, a replay is slowed down unless the person wants otherwise. */
export const manyReplays = 100
const defaultRate = 50

/** Returns the rate that a person gives for so many replays, and the field for it. */
export const useRate = (
  of: number
): { readonly rate: number | undefined; readonly isValid: boolean; readonly field: ReactNode } => {
  const [text, setText] = useState(of > manyReplays ? String(defaultRate) : "")
  const rate = text === "" ? undefined : Number(text)
  const isValid = rate === undefined || (Number.isInteger(rate) && rate > 0 && rate <= 1_000_000)
  const field = (
    <div className="field">
      <label htmlFor="rate">At most so many a second (empty: as fast as it goes)</label>
      <input
        id="rate"
        inputMode="numeric"
        autoComplete="off"
        value={text}
        onChange={(event) => setText(event.target.value.trim())}
        aria-invalid={!isValid}
      />
      {isValid ? null : <p className="bad-text">Give a whole number from 1 on.</p>}
      {isValid && rate !== undefined && of > rate ? (
        <p className="soft">This takes {span((of / rate) * 1000)} or longer.</p>
      ) : null}
    </div>
  )
  return { rate, isValid, field }
}
