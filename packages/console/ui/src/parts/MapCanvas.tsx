/** The paper of the maps and their stations. Each map has a text beside it that says the same. */
import type { ReactNode } from "react"
import { visible } from "../text/escape.ts"
import { cut } from "../text/format.ts"

export const MapCanvas = (props: {
  /** The name of the region that scrolls. */
  readonly name: string
  /** The map in words. */
  readonly label: string
  readonly className: string
  readonly width: number
  readonly height: number
  readonly children: ReactNode
}): ReactNode => {
  const { children, className, height, label, name, width } = props
  return (
    <div className="map-scroll" tabIndex={0} role="region" aria-label={name}>
      <svg
        className={className}
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={label}
      >
        {children}
      </svg>
    </div>
  )
}

/** A station with its name: an exchange, a stop of events, or an end of the line. */
export const Station = (props: {
  readonly kind: "exchange" | "stop" | "end"
  readonly isFull?: boolean
  readonly x: number
  readonly y: number
  readonly name: string
  readonly length: number
}): ReactNode => {
  const { isFull = false, kind, length, name, x, y } = props
  return (
    <g>
      {kind === "exchange" ? <rect className="stop" x={x - 7} y={y - 7} width="14" height="14" rx="7" /> : null}
      {kind === "stop" ? <circle className={isFull ? "stop full" : "stop"} cx={x} cy={y} r="6" /> : null}
      {kind === "end" ? <rect className="end full" x={x - 6} y={y - 6} width="12" height="12" rx="2.5" /> : null}
      <text x={x - 4} y={y + 22}>
        {visible(cut(name, length))}
      </text>
    </g>
  )
}
