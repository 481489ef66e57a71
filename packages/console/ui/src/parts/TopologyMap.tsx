/** Exchanges, queues and their dead letters as a map of lines. A list of the same stands below it. */
import type { ReactNode } from "react"
import type { Topology } from "../../../src/ConsoleInspection.ts"
import { Foreign } from "../text/Foreign.tsx"
import { MapCanvas, Station } from "./MapCanvas.tsx"

type Graph = (typeof Topology.Type)["graph"]
type Node = Graph["nodes"][number]

const columns = { exchange: 0, queue: 1, "dead-letter-queue": 2 } as const
const stations = { exchange: "exchange", queue: "stop", "dead-letter-queue": "end" } as const
const columnWidth = 300
const rowHeight = 52

interface Placed {
  readonly node: Node
  readonly x: number
  readonly y: number
}

/** Queues stand one below the other, exchanges in the middle of theirs, dead letters beside the queue they come from. */
const place = ({ edges, nodes }: Graph): ReadonlyMap<string, Placed> => {
  const placed = new Map<string, Placed>()
  const put = (node: Node, y: number) => placed.set(node.id, { node, x: 20 + columns[node.kind] * columnWidth, y })
  const of = (kind: Node["kind"]) => nodes.filter((node) => node.kind === kind)
  of("queue").forEach((node, index) => put(node, 26 + index * rowHeight))
  const free = (kind: Node["kind"], wanted: (node: Node) => number | undefined) => {
    const taken = new Set<number>()
    for (const node of of(kind)) {
      let y = 26 + Math.max(0, Math.round(((wanted(node) ?? 26) - 26) / rowHeight)) * rowHeight
      while (taken.has(y)) y += rowHeight
      taken.add(y)
      put(node, y)
    }
  }
  free("dead-letter-queue", (node) => {
    const from = edges.find(({ to }) => to === node.id)?.from
    return from === undefined ? undefined : placed.get(from)?.y
  })
  free("exchange", (node) => {
    const ys = edges.flatMap(({ from, to }) => (from === node.id ? (placed.get(to)?.y ?? []) : []))
    return ys.length === 0 ? undefined : ys.reduce((sum, y) => sum + y, 0) / ys.length
  })
  return placed
}

const trackOf = (a: Placed, b: Placed): string => {
  const middle = (a.x + b.x) / 2 + 40
  return a.y === b.y ? `M${a.x} ${a.y}H${b.x}` : `M${a.x} ${a.y}C${middle} ${a.y} ${a.x + 80} ${b.y} ${b.x} ${b.y}`
}

export const TopologyMap = ({ of }: { readonly of: Graph }): ReactNode => {
  const placed = place(of)
  const all = [...placed.values()]
  const height = Math.max(60, ...all.map(({ y }) => y + 40))
  const width = 20 + 3 * columnWidth
  const isDead = (id: string) => placed.get(id)?.node.kind === "dead-letter-queue"
  const deadLetterExchanges = new Set(of.edges.flatMap(({ from, to }) => (isDead(to) ? [from] : [])))
  const hasQueue = new Set(
    of.edges.flatMap(({ from, to }) => (isDead(to) && placed.get(from)?.node.kind === "queue" ? [to] : []))
  )
  const nameOf = (id: string) => placed.get(id)?.node.name ?? id
  return (
    <>
      <MapCanvas
        name="Map of the topology"
        label={`${all.length} exchanges and queues. The list below has the same in words.`}
        className="topology-map"
        width={width}
        height={height}
      >
        {of.edges.map((edge, index) => {
          const from = placed.get(edge.from)
          const to = placed.get(edge.to)
          if (from === undefined || to === undefined) return null
          // The way through the exchange is told in the list: drawn, it would hide the queues.
          if (from.node.kind === "exchange" && hasQueue.has(edge.to)) return null
          const kind = isDead(edge.to) ? "siding" : deadLetterExchanges.has(edge.from) ? "track back" : "track"
          return <path key={index} className={kind} d={trackOf(from, to)} />
        })}
        {all.map(({ node, x, y }) => (
          <Station key={node.id} kind={stations[node.kind]} isFull x={x} y={y} name={node.name} length={36} />
        ))}
      </MapCanvas>
      <ul className="lines edges">
        {of.edges.map((edge, index) => (
          <li key={index}>
            <Foreign text={nameOf(edge.from)} /> → <Foreign text={nameOf(edge.to)} />
            {edge.label === "" ? null : (
              <>
                {" "}
                <code className="chip">
                  <Foreign text={edge.label} />
                </code>
              </>
            )}
          </li>
        ))}
      </ul>
    </>
  )
}
