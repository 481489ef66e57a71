import type { OrderedRow } from "../experiments/OrderedExperiment.ts"

/**
 * The events of each of the 16 keys of `ordered-many`. The share of CI is small:
 * `EVENTBUS_ORDERED_EVENTS=10000 npm run test:faults -- --only ordered-many` is the whole proof.
 */
const many = Number(process.env["EVENTBUS_ORDERED_EVENTS"] ?? 625)

/** Processes that handle the events of each key in their order, and end one after another. */
export const ordered: ReadonlyArray<OrderedRow> = [
  { name: "ordered-kill-consumer", isOrdered: true, ends: 8, signal: "SIGKILL", events: 150, doomed: 5 },
  { name: "ordered-stop-consumer", isOrdered: true, ends: 8, signal: "SIGTERM", events: 150, doomed: 5 },
  // About 20 times a key is parked, however many events there are: a replay looks at all dead letters.
  {
    name: "ordered-many",
    isOrdered: true,
    ends: 16,
    signal: "SIGKILL",
    events: many,
    doomed: Math.min(2, 1250 / many)
  },
  { name: "ordered-none", isOrdered: false, ends: 2, signal: "SIGKILL", events: 150, doomed: 5 }
]
