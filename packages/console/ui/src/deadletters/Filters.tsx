/** The filters of the dead letters. `/` goes to the text. */
import { type ReactNode, useEffect, useRef, useState } from "react"
import type { Snapshot } from "../../../src/ConsoleModel.ts"
import { Button } from "../parts/Button.tsx"
import { useKeys } from "../state/keys.ts"
import { setQuery } from "../state/place.ts"
import { visible } from "../text/escape.ts"
import { cut } from "../text/format.ts"
import { unfiltered } from "./filter.ts"

const Select = (props: {
  readonly label: string
  readonly name: string
  readonly value: string | null
  readonly any: string
  readonly options: ReadonlyArray<readonly [value: string, text: string]>
}): ReactNode => {
  const { any, label, name, options, value } = props
  return (
    <label className="filter">
      <span>{label}</span>
      <select value={value ?? ""} onChange={(event) => setQuery({ [name]: event.target.value, letter: undefined })}>
        <option value="">{any}</option>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {cut(visible(text), 60)}
          </option>
        ))}
      </select>
    </label>
  )
}

const same = (texts: ReadonlyArray<string>) => texts.map((text): readonly [string, string] => [text, text])

const ages = [
  ["15m", "15 minutes"],
  ["1h", "1 hour"],
  ["6h", "6 hours"],
  ["1d", "1 day"],
  ["7d", "7 days"]
] as const

/** Typing rests this long before it counts. */
const restMillis = 300

/** Returns a text of the address, as it is typed. */
const useTyped = (query: URLSearchParams, name: string) => {
  const current = query.get(name) ?? ""
  const [text, setText] = useState(current)
  useEffect(() => setText(current), [current])
  useEffect(() => {
    if (text === current) return
    const timer = setTimeout(() => setQuery({ [name]: text, letter: undefined }), restMillis)
    return () => clearTimeout(timer)
  }, [name, text, current])
  return [text, setText] as const
}

export const Filters = (props: {
  readonly of: typeof Snapshot.Type
  readonly query: URLSearchParams
  readonly isFiltered: boolean
}): ReactNode => {
  const { isFiltered, of, query } = props
  const field = useRef<HTMLInputElement>(null)
  const [text, setText] = useTyped(query, "q")
  const [key, setKey] = useTyped(query, "key")
  const hasKeys = key !== "" || of.groups.some(({ keys }) => keys !== undefined)
  useKeys({ "/": () => field.current?.focus() })
  return (
    <search className="filters">
      <label className="filter wide">
        <span>
          Text in body or message <kbd aria-hidden="true">/</kbd>
        </span>
        <input
          ref={field}
          type="search"
          value={text}
          autoComplete="off"
          spellCheck={false}
          aria-keyshortcuts="/"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return
            // Else the browser would clear the field.
            event.preventDefault()
            event.currentTarget.blur()
          }}
        />
      </label>
      <Select label="Reason" name="reason" value={query.get("reason")} any="any" options={same(of.reasons)} />
      <Select label="Type" name="type" value={query.get("type")} any="any" options={same(of.types)} />
      {hasKeys ? (
        <label className="filter">
          <span>Key</span>
          <input
            type="search"
            value={key}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
      ) : null}
      <Select label="Older than" name="older" value={query.get("older")} any="any age" options={ages} />
      <Select label="First" name="order" value={query.get("order")} any="oldest" options={[["newest", "newest"]]} />
      {isFiltered ? (
        <Button kind="quiet" onClick={() => setQuery({ ...unfiltered, letter: undefined })}>
          Clear filters
        </Button>
      ) : null}
    </search>
  )
}
