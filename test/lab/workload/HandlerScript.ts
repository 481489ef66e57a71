import { Effect, Schema } from "effect"
import type { End } from "../ledger/EventLedger.ts"

export class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}
export class Down extends Schema.TaggedError<Down>()("Down", {}) {}
export class Doomed extends Schema.TaggedError<Doomed>()("Doomed", {}) {}

/** The behaviour of a handler for an event. Each event names its script in its payload. */
export interface HandlerScript {
  /** The end of the event. */
  readonly end: End
  readonly run: (attempt: number, redelivered: boolean) => Effect.Effect<void, Flaky | Doomed | Down>
}

const failFirst = (times: number): HandlerScript => ({
  end: "handled",
  run: (attempt) => (attempt <= times ? Effect.fail(new Flaky({})) : Effect.void)
})

/** The dependency of the handlers whose script is `depends`. */
export const dependency = { isDown: false }

export const scripts = {
  fine: { end: "handled", run: () => Effect.void },
  flaky: failFirst(1),
  flakier: failFirst(2),
  doomed: { end: "dead", run: () => Effect.fail(new Doomed({})) },
  /** Fails the whole batch that it is in. */
  poison: { end: "dead", run: () => Effect.fail(new Doomed({})) },
  defect: { end: "dead", run: () => Effect.die(new Error("a defect of the handler")) },
  /** Fails while the dependency is down. Its subscription pauses then, so each of its failures is at the first attempt. */
  depends: {
    end: "handled",
    run: (attempt) =>
      attempt > 1
        ? Effect.fail(new Doomed({}))
        : Effect.suspend(() => (dependency.isDown ? Effect.fail(new Down({})) : Effect.void))
  },
  /** Never ends at the first attempt. */
  hangs: { end: "handled", run: (attempt) => (attempt === 1 ? Effect.never : Effect.void) },
  interrupted: { end: "handled", run: (attempt) => (attempt === 1 ? Effect.interrupt : Effect.void) },
  /** Takes longer at the first delivery than the acknowledgement timeout of the fault `ack-timeout`. */
  late: { end: "handled", run: (_, redelivered) => (redelivered ? Effect.void : Effect.sleep("6 seconds")) },
  /** Takes longer at the first delivery than a process may take to stop. */
  endless: { end: "handled", run: (_, redelivered) => (redelivered ? Effect.void : Effect.sleep("15 seconds")) }
} as const satisfies Record<string, HandlerScript>

export type ScriptName = keyof typeof scripts

export const isScriptName = (name: string): name is ScriptName => Object.hasOwn(scripts, name)

/** The percentage of events for each script. The remaining events are `fine`. */
export type Shares = { readonly [Name in ScriptName]?: number }

export const usual: Shares = { flaky: 8, flakier: 3, doomed: 3, defect: 2 }

/** Returns the script for a number from 0 to 99. */
export const draw = (shares: Shares, hundred: number): ScriptName => {
  let sum = 0
  for (const [name, share] of Object.entries(shares)) {
    sum += share
    if (hundred < sum && isScriptName(name)) return name
  }
  return "fine"
}
