/** Small drawings. They always stand beside a word. */
import type { ReactNode } from "react"

const paths = {
  terminal: "M3 4.5 6.5 8 3 11.5M8.5 12H13",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  close: "m4 4 8 8m0-8-8 8",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
  right: "m6 3.5 4.5 4.5L6 12.5",
  ok: "m3 8.5 3.2 3.2L13 5",
  bad: "M8 3.5v5.2m0 2.8v.6",
  stop: "M4.5 4.5h7v7h-7z",
  out: "M8 2.5v8m-3-3 3 3 3-3M3 13.5h10",
  dead: "M4 4h8v8H4zM6.3 6.3l3.4 3.4m0-3.4L6.3 9.7"
} as const

export type IconName = keyof typeof paths

export const Icon = (props: { readonly name: IconName }): ReactNode => (
  <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
    <path d={paths[props.name]} />
  </svg>
)
