/** A trace as a map of lines: a stop for each event, and an end for each dead letter. The tree says the same in words. */
import type { ReactNode } from "react"
import type { TraceNode } from "../../../src/ConsoleInspection.ts"
import { MapCanvas, Station } from "./MapCanvas.tsx"

type Node = typeof TraceNode.Type

const columnWidth = 190
const rowHeight = 46
const left = 18
/** A larger map tells nothing. */
const maxNodes = 300

interface Placed {
  readonly node: Node
  readonly x: number
  readonly y: number
}

/** The first child goes on in the row of its parent. Every other one opens a row. */
const place = (nodes: ReadonlyArray<Node>): ReadonlyArray<Placed> => {
  const rows = new Map<string, number>()
  const continued = new Set<string>()
  let last = -1
  return nodes.map((node) => {
    const parent = node.parent === undefined ? undefined : rows.get(node.parent)
    const goesOn = node.parent !== undefined && parent !== undefined && parent === last && !continued.has(node.parent)
    if (goesOn && node.parent !== undefined) continued.add(node.parent)
    else last++
    const row = goesOn ? parent : last
    rows.set(node.eventId, row)
    return { node, x: left + node.depth * columnWidth, y: 20 + row * rowHeight }
  })
}

const isDead = ({ sightings }: Node): boolean => sightings.some(({ fault }) => fault !== undefined)

const trackOf = (from: Placed, to: Placed): string => {
  if (from.y === to.y) return `M${from.x} ${from.y}H${to.x}`
  const bend = from.x + 34
  return `M${from.x} ${from.y}C${bend} ${from.y} ${from.x + 12} ${to.y} ${bend + 14} ${to.y}H${to.x}`
}

export const TraceMap = (props: { readonly nodes: ReadonlyArray<Node> }): ReactNode => {
  const placed = place(props.nodes.slice(0, maxNodes))
  const byId = new Map(placed.map((item) => [item.node.eventId, item]))
  const width = Math.max(...placed.map(({ x }) => x)) + columnWidth
  const height = Math.max(...placed.map(({ y }) => y)) + 34
  return (
    <>
      <MapCanvas
        name="Map of the trace"
        label={`${placed.length} events. The tree has the same in words.`}
        className="trace-map"
        width={width}
        height={height}
      >
        {placed.map((item) => {
          const parent = item.node.parent === undefined ? undefined : byId.get(item.node.parent)
          return parent === undefined ? null : (
            <path key={item.node.eventId} className="track" d={trackOf(parent, item)} />
          )
        })}
        {placed.map(({ node, x, y }) => (
          <Station
            key={node.eventId}
            kind={isDead(node) ? "end" : "stop"}
            x={x}
            y={y}
            name={node.eventType}
            length={26}
          />
        ))}
      </MapCanvas>
      <p className="legend">
        <span className="legend-stop" aria-hidden="true" /> event <span className="legend-end" aria-hidden="true" />{" "}
        dead letter
      </p>
      {props.nodes.length > maxNodes ? (
        <p className="warn-text">{`The first ${maxNodes} events are drawn. The tree has all of them.`}</p>
      ) : null}
    </>
  )
}
