import type { OrderedRow } from "../experiments/OrderedExperiment.ts"

/** Processes that handle the events of each key in their order, and end one after another. */
export const ordered: ReadonlyArray<OrderedRow> = [
  { name: "ordered-kill-consumer", isOrdered: true, ends: 8, signal: "SIGKILL", events: 150, doomed: 5 },
  { name: "ordered-stop-consumer", isOrdered: true, ends: 8, signal: "SIGTERM", events: 150, doomed: 5 },
  // 16 keys, so 10,000 events.
  { name: "ordered-many", isOrdered: true, ends: 16, signal: "SIGKILL", events: 625, doomed: 2 },
  { name: "ordered-none", isOrdered: false, ends: 2, signal: "SIGKILL", events: 150, doomed: 5 }
]
