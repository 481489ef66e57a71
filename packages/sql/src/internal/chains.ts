/**
 * Rows in the groups that must stay in order.
 *
 * @internal
 */

import type { ClaimedRow } from "./OutboxRow.ts"

/** Returns the rows of each key in their order, and each row without a key on its own. */
export const of = (rows: ReadonlyArray<ClaimedRow>): ReadonlyArray<ReadonlyArray<ClaimedRow>> => {
  const chains = new Map<string | number, Array<ClaimedRow>>()
  for (const row of rows) {
    const name = row.key ?? row.seq
    const chain = chains.get(name)
    if (chain === undefined) chains.set(name, [row])
    else chain.push(row)
  }
  return [...chains.values()]
}
