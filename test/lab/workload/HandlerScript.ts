import { Effect, Schema } from "effect"
import type { End } from "../ledger/EventLedger.ts"

export class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}
export class Doomed extends Schema.TaggedError<Doomed>()("Doomed", {}) {}

/** What the handlers do with an event, which the event says itself. */
export interface Fate {
  readonly end: End
  readonly meet: (attempt: number, redelivered: boolean) => Effect.Effect<void, Flaky | Doomed>
}

const failFirst = (times: number): Fate => ({
  end: "handled",
  meet: (attempt) => (attempt <= times ? Effect.fail(new Flaky({})) : Effect.void)
})

export const fates = {
  fine: { end: "handled", meet: () => Effect.void },
  flaky: failFirst(1),
  flakier: failFirst(2),
  doomed: { end: "dead", meet: () => Effect.fail(new Doomed({})) },
  defect: { end: "dead", meet: () => Effect.die(new Error("a defect of the handler")) },
  /** Never ends the first time. */
  hangs: { end: "handled", meet: (attempt) => (attempt === 1 ? Effect.never : Effect.void) },
  interrupted: { end: "handled", meet: (attempt) => (attempt === 1 ? Effect.interrupt : Effect.void) },
  /** Takes longer, the first time it is delivered, than the broker is patient in the fault that wants that. */
  late: { end: "handled", meet: (_, redelivered) => (redelivered ? Effect.void : Effect.sleep("6 seconds")) }
} as const satisfies Record<string, Fate>

export type FateName = keyof typeof fates

export const isFateName = (name: string): name is FateName => Object.hasOwn(fates, name)

/** How many of a hundred events have which fate; the rest is fine. */
export type Shares = { readonly [Name in FateName]?: number }

export const usual: Shares = { flaky: 8, flakier: 3, doomed: 3, defect: 2 }

export const draw = (shares: Shares, hundred: number): FateName => {
  let sum = 0
  for (const [name, share] of Object.entries(shares)) {
    sum += share
    if (hundred < sum && isFateName(name)) return name
  }
  return "fine"
}
