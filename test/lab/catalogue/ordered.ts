import type { OrderedRow } from "../experiments/OrderedExperiment.ts"

/** Processes that handle the events of each key in their order, and are killed. */
export const ordered: ReadonlyArray<OrderedRow> = [
  { name: "ordered-kill-consumer", isOrdered: true, kills: 8 },
  { name: "ordered-none", isOrdered: false, kills: 2 }
]
