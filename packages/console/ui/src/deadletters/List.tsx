/** The rows of a look. Only those that can be seen are in the page, and fetched. */
import { useVirtualizer } from "@tanstack/react-virtual"
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react"
import type { Summary } from "../../../src/ConsoleModel.ts"
import { Skeleton } from "../parts/Loaded.tsx"
import { Failed } from "../parts/Notice.tsx"
import { registry, useAtom } from "../state/atoms.ts"
import { useTimed } from "../state/clock.ts"
import { useKeys } from "../state/keys.ts"
import { useNarrow } from "../state/narrow.ts"
import { go } from "../state/place.ts"
import { problemOf } from "../state/problem.ts"
import { page, type PageKey, pageSize } from "../state/resources.ts"
import { Foreign } from "../text/Foreign.tsx"
import { bytes, count, counted, span } from "../text/format.ts"

type Item = typeof Summary.Type
type Look = Omit<PageKey, "page">

const rowId = (index: number) => `row-${index}`

const pageOf = (look: Look, index: number) => page({ ...look, page: Math.floor(index / pageSize) })

/** Returns a row, if its page has arrived. */
const itemAt = (look: Look, index: number): Item | undefined =>
  Option.getOrUndefined(AsyncResult.value(registry.get(pageOf(look, index))))?.items[index % pageSize]

const Since = ({ at }: { readonly at: number | undefined }): ReactNode =>
  useTimed((now) => (at === undefined ? "–" : span(Math.max(0, now - at))))

/** The columns: their heads and their cells. */
const columns: ReadonlyArray<{
  readonly name: string
  readonly className: string
  readonly cell: (item: Item) => ReactNode
}> = [
  { name: "Failed ago", className: "cell-age numbers", cell: ({ lastFailedAt }) => <Since at={lastFailedAt} /> },
  { name: "Reason", className: "cell-reason", cell: ({ reason = "no reason" }) => <Foreign text={reason} /> },
  { name: "Message", className: "cell-message", cell: ({ message }) => <Foreign text={message} /> },
  { name: "Type", className: "cell-type", cell: ({ type = "unknown type" }) => <Foreign text={type} /> },
  { name: "Tries", className: "cell-tries numbers", cell: ({ attempts }) => attempts },
  { name: "Replays", className: "cell-round numbers", cell: ({ round }) => (round === 0 ? "–" : round) },
  { name: "Size", className: "cell-bytes numbers", cell: (item) => bytes(item.bytes) }
]

const Cells = (props: {
  readonly item: Item
  readonly isSelected: boolean
  readonly onSelect: () => void
}): ReactNode => {
  const { isSelected, item, onSelect } = props
  return (
    <>
      <span role="gridcell" className="cell-select">
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isSelected}
          aria-label={`Select ${item.id}`}
          onChange={onSelect}
          onClick={(event) => event.stopPropagation()}
        />
      </span>
      {columns.map(({ cell, className, name }) => (
        <span key={name} role="gridcell" className={className}>
          {cell(item)}
        </span>
      ))}
    </>
  )
}

const Row = (props: {
  readonly look: Look
  readonly index: number
  readonly start: number
  readonly height: number
  readonly isCurrent: boolean
  readonly isOpen: boolean
  readonly selected: ReadonlySet<string>
  readonly onOpen: (item: Item) => void
  readonly onSelect: (item: Item) => void
}): ReactNode => {
  const { height, index, isCurrent, isOpen, look, onOpen, onSelect, selected, start } = props
  const result = useAtom(pageOf(look, index))
  const item = Option.getOrUndefined(AsyncResult.value(result))?.items[index % pageSize]
  const isSelected = item !== undefined && selected.has(item.id)
  return (
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- The grid has the keys.
    <div
      role="row"
      id={rowId(index)}
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      className={`grid-row${isCurrent ? " current" : ""}${isOpen ? " opened" : ""}`}
      style={{ transform: `translateY(${start}px)`, height }}
      onClick={item === undefined ? undefined : () => onOpen(item)}
    >
      {item === undefined ? (
        <span role="gridcell" className="cell-wait">
          {AsyncResult.isFailure(result) ? problemOf(Cause.squash(result.cause)).title : "…"}
        </span>
      ) : (
        <Cells item={item} isSelected={isSelected} onSelect={() => onSelect(item)} />
      )}
    </div>
  )
}

export const List = (props: {
  readonly queue: string
  readonly look: Look
  readonly opened: string | null
  readonly selected: ReadonlySet<string>
  readonly onSelect: (item: Item) => void
  readonly onOpen: (item: Item) => void
}): ReactNode => {
  const { look, onOpen, onSelect, opened, queue, selected } = props
  const scroller = useRef<HTMLDivElement>(null)
  const [current, setCurrent] = useState(0)
  const isNarrow = useNarrow()
  const height = isNarrow ? 66 : 40
  const first = useAtom(page({ ...look, page: 0 }))
  const matching = Option.getOrUndefined(AsyncResult.value(first))?.matching
  const rows = useVirtualizer({
    count: matching ?? 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 8
  })
  useEffect(() => rows.measure(), [height, rows])
  const move = (index: number) => {
    const next = Math.max(0, Math.min((matching ?? 1) - 1, index))
    setCurrent(next)
    rows.scrollToIndex(next)
  }
  const withCurrent = (f: (item: Item) => void) => () => {
    const item = itemAt(look, current)
    if (item !== undefined) f(item)
  }
  const open = withCurrent(onOpen)
  const select = withCurrent(onSelect)
  const edit = withCurrent((item) => go({ _tag: "Edit", queue, id: item.id }))
  useKeys({ j: () => move(current + 1), k: () => move(current - 1), Enter: open, x: select, e: edit })
  const onKeyDown = (event: KeyboardEvent) => {
    const size = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / height) - 1)
    const actions: Readonly<Record<string, () => void>> = {
      ArrowDown: () => move(current + 1),
      ArrowUp: () => move(current - 1),
      PageDown: () => move(current + size),
      PageUp: () => move(current - size),
      Home: () => move(0),
      End: () => move(matching ?? 0),
      Enter: open,
      " ": select
    }
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key]
    if (action === undefined) return
    event.preventDefault()
    action()
  }
  if (matching === undefined) {
    return AsyncResult.isFailure(first) && !first.waiting ? (
      <Failed problem={problemOf(Cause.squash(first.cause))} />
    ) : (
      <Skeleton what="Fetching the rows …" rows={8} />
    )
  }
  return (
    <>
      <p className="list-count" role="status">
        {matching === 0
          ? "No dead letter of this look matches the filters."
          : `${counted(matching, "dead letter")}${selected.size > 0 ? `, ${count(selected.size)} selected` : ""}`}
      </p>
      {/* oxlint-disable-next-line jsx-a11y/aria-activedescendant-has-tabindex */}
      <div
        ref={scroller}
        className="grid"
        role="grid"
        tabIndex={0}
        aria-label="Dead letters"
        aria-rowcount={matching + 1}
        aria-multiselectable="true"
        aria-activedescendant={matching === 0 ? undefined : rowId(current)}
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" className="grid-head">
          <div role="row" aria-rowindex={1} className="grid-row">
            <span role="columnheader" className="cell-select">
              <span className="hidden">Selected</span>
            </span>
            {columns.map(({ className, name }) => (
              <span key={name} role="columnheader" className={className}>
                {name}
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup" className="grid-body" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map(({ index, key, start }) => (
            <Row
              key={key}
              look={look}
              index={index}
              start={start}
              height={height}
              isCurrent={index === current}
              isOpen={opened !== null && itemAt(look, index)?.id === opened}
              selected={selected}
              onOpen={(item) => {
                setCurrent(index)
                onOpen(item)
              }}
              onSelect={onSelect}
            />
          ))}
        </div>
      </div>
    </>
  )
}
