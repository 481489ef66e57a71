/** The one stream that a tab has: pulse, jobs, and the tail or the trace that the page asks for. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Atom from "effect/reactivity/Atom"
import * as Stream from "effect/Stream"
import { useEffect } from "react"
import type { Live } from "../../../src/ConsoleApi.ts"
import type { Tailed, Trace } from "../../../src/ConsoleInspection.ts"
import type { Job } from "../../../src/ConsoleJob.ts"
import type { Pulse } from "../../../src/ConsoleModel.ts"
import { registry } from "./atoms.ts"
import { Client, fork } from "./client.ts"
import { remember } from "./history.ts"
import { type Problem, problemOf } from "./problem.ts"

/** What a page asks the stream for, beside pulse and jobs. */
export interface Wish {
  readonly tail?: string | undefined
  readonly trace?: string | undefined
  readonly queue?: string | undefined
}

/** The state of the stream. */
export type Link =
  | { readonly _tag: "Connecting" | "Open" | "Hidden"; readonly since: number }
  | { readonly _tag: "Lost"; readonly since: number; readonly problem: Problem }

/** The events of a tail, the newest last, and the number of those that are not shown. */
export interface Tail {
  readonly events: ReadonlyArray<typeof Tailed.Type>
  readonly omitted: number
}

const maxTail = 500
const pause = Duration.seconds(2)
/** Old entries are kept, so that a page that comes back shows something at once. */
const kept = <A>(value: A) => Atom.keepAlive(Atom.make(value))

export const link = kept<Link>({ _tag: "Connecting", since: Date.now() })
export const pulse = kept<typeof Pulse.Type | undefined>(undefined)
/** The first pulse, for changes since the page was opened. */
export const firstPulse = kept<typeof Pulse.Type | undefined>(undefined)
export const jobs = kept<ReadonlyArray<typeof Job.Type> | undefined>(undefined)
export const tail = kept<Tail>({ events: [], omitted: 0 })
export const trace = kept<typeof Trace.Type | undefined>(undefined)
export const ended = kept<string | undefined>(undefined)

const byNewest = (a: typeof Job.Type, b: typeof Job.Type) => b.startedAt - a.startedAt

/** Adds jobs to those that are known. An answer of the server comes in here, too. */
export const addJobs = (changed: ReadonlyArray<typeof Job.Type>): void => {
  const ids = new Set(changed.map(({ id }) => id))
  const others = (registry.get(jobs) ?? []).filter(({ id }) => !ids.has(id))
  registry.set(jobs, [...changed, ...others].toSorted(byNewest).slice(0, 40))
}

const receive = (message: typeof Live.Type): void => {
  switch (message._tag) {
    case "Pulse":
      if (registry.get(firstPulse) === undefined) registry.set(firstPulse, message.pulse)
      remember(message.pulse)
      return registry.set(pulse, message.pulse)
    case "Jobs":
      return addJobs(message.jobs)
    case "Tail": {
      const before = registry.get(tail)
      const events = [...before.events, ...message.events]
      const left = Math.max(0, events.length - maxTail)
      return registry.set(tail, { events: events.slice(left), omitted: before.omitted + message.omitted })
    }
    case "Trace":
      return registry.set(trace, message.trace)
    case "Ended":
      return registry.set(ended, message.message)
  }
}

const wordsOf = (state: Link): string => (state._tag === "Lost" ? state.problem.message : "")

/** A state that lasts keeps the time at which it began, and is not told again. */
const setLink = (next: Link): void => {
  const now = registry.get(link)
  if (now._tag !== next._tag) registry.set(link, next)
  else if (wordsOf(now) !== wordsOf(next)) registry.set(link, { ...next, since: now.since })
}

const connection = (wish: Wish) =>
  Client.use((client) =>
    client.bus.live({
      query: {
        ...(wish.tail === undefined ? {} : { tail: wish.tail }),
        ...(wish.trace === undefined ? {} : { trace: wish.trace }),
        ...(wish.queue === undefined ? {} : { queue: wish.queue })
      }
    })
  ).pipe(
    Effect.flatMap(
      Stream.runForEach((message) =>
        Effect.sync(() => {
          setLink({ _tag: "Open", since: Date.now() })
          receive(message)
        })
      )
    ),
    Effect.matchCause({
      onFailure: (cause) => problemOf(Cause.squash(cause)),
      onSuccess: () => problemOf(new Error("The server closed the stream"))
    }),
    Effect.tap((problem) => Effect.sync(() => setLink({ _tag: "Lost", since: Date.now(), problem }))),
    Effect.andThen(Effect.sleep(pause)),
    Effect.forever
  )

let wish: Wish = {}
let fiber: Fiber.Fiber<void, unknown> | undefined

const restart = () => {
  if (fiber !== undefined) Effect.runFork(Fiber.interrupt(fiber))
  fiber = undefined
  if (document.hidden) return setLink({ _tag: "Hidden", since: Date.now() })
  if (registry.get(link)._tag !== "Lost") setLink({ _tag: "Connecting", since: Date.now() })
  fiber = fork(connection(wish))
}

/** Opens the stream, for as long as the page is visible. */
export const start = (): void => {
  document.addEventListener("visibilitychange", restart)
  restart()
}

const isSame = (a: Wish, b: Wish) => a.tail === b.tail && a.trace === b.trace && a.queue === b.queue

const ask = (next: Wish): void => {
  if (isSame(next, wish)) return
  wish = next
  registry.set(tail, { events: [], omitted: 0 })
  registry.set(trace, undefined)
  registry.set(ended, undefined)
  restart()
}

/** Asks the stream for something, for as long as the component is shown. */
export const useLive = ({ queue, tail, trace }: Wish): void => {
  useEffect(() => {
    ask({ queue, tail, trace })
    return () => ask({})
  }, [queue, tail, trace])
}
