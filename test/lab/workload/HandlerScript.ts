import { Effect, Schema } from "effect"
import type { End } from "../ledger/EventLedger.ts"

export class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}
export class Doomed extends Schema.TaggedError<Doomed>()("Doomed", {}) {}

/** What the handlers do with an event, which the event says itself. */
export interface HandlerScript {
  readonly end: End
  readonly run: (attempt: number, redelivered: boolean) => Effect.Effect<void, Flaky | Doomed>
}

const failFirst = (times: number): HandlerScript => ({
  end: "handled",
  run: (attempt) => (attempt <= times ? Effect.fail(new Flaky({})) : Effect.void)
})

export const scripts = {
  fine: { end: "handled", run: () => Effect.void },
  flaky: failFirst(1),
  flakier: failFirst(2),
  doomed: { end: "dead", run: () => Effect.fail(new Doomed({})) },
  defect: { end: "dead", run: () => Effect.die(new Error("a defect of the handler")) },
  /** Never ends the first time. */
  hangs: { end: "handled", run: (attempt) => (attempt === 1 ? Effect.never : Effect.void) },
  interrupted: { end: "handled", run: (attempt) => (attempt === 1 ? Effect.interrupt : Effect.void) },
  /** Takes longer, the first time it is delivered, than the broker is patient in the fault that wants that. */
  late: { end: "handled", run: (_, redelivered) => (redelivered ? Effect.void : Effect.sleep("6 seconds")) }
} as const satisfies Record<string, HandlerScript>

export type ScriptName = keyof typeof scripts

export const isScriptName = (name: string): name is ScriptName => Object.hasOwn(scripts, name)

/** How many of a hundred events have which script; the rest is fine. */
export type Shares = { readonly [Name in ScriptName]?: number }

export const usual: Shares = { flaky: 8, flakier: 3, doomed: 3, defect: 2 }

export const draw = (shares: Shares, hundred: number): ScriptName => {
  let sum = 0
  for (const [name, share] of Object.entries(shares)) {
    sum += share
    if (hundred < sum && isScriptName(name)) return name
  }
  return "fine"
}
