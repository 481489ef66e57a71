import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { Channel } from "amqplib"
import type { Effect, Scope } from "effect"
import type { EventBus } from "effect-eventbus"
import type { Breach } from "../../support/eventually.ts"
import type { SeededRandom } from "../../support/SeededRandom.ts"
import type { LabBroker } from "../broker/LabBroker.ts"
import type { EventLedger } from "../ledger/EventLedger.ts"
import type { FrameProxy } from "../proxy/FrameProxy.ts"
import type { TcpProxy } from "../proxy/TcpProxy.ts"
import type { Shape, Workload } from "../workload/Workload.ts"

/** What a fault has at hand while events flow. */
export interface Lab<out S extends LabBroker = LabBroker> {
  readonly broker: S
  /** The exchange, with which the name of every queue begins. */
  readonly name: string
  readonly exchanges: readonly [events: string, deadLetters: string]
  readonly bus: EventBus.EventBus["Service"]
  readonly workload: Workload
  readonly ledger: EventLedger
  readonly random: SeededRandom
  /** The ways of the bus to each node; `tcp` and `frames` are those to the first. */
  readonly proxies: ReadonlyArray<FrameProxy>
  readonly tcp: TcpProxy
  readonly frames: FrameProxy
  readonly ctl: (...args: ReadonlyArray<string>) => Effect.Effect<string>
  /** Asks the first node something as another client. */
  readonly ask: <A>(f: (channel: Channel) => Promise<A>) => Effect.Effect<A>
  /** Waits for a status of the bus. */
  readonly becomes: (status: "healthy" | "degraded" | "unhealthy") => Effect.Effect<void, Breach>
  /** Takes it as given that what was attempted before a time, and was in a queue by then, is gone. */
  readonly destroyed: (queue: string, before: number, most: number) => Effect.Effect<void>
  /** Adds a remark to the row. */
  readonly note: (text: string) => Effect.Effect<void>
}

/** What is right only for one fault. */
export interface Tolerances {
  /** The reasons for which publishes may fail. */
  readonly failures: ReadonlyArray<string>
  /** The reasons, beside those that say so, for which a publish may fail and its event be there. */
  readonly landed: ReadonlyArray<string>
  /** What the broker may say when it closes a channel or a connection, as the start of `{code} {text}`. */
  readonly closes: ReadonlyArray<string>
  /** How often everything in flight may be done twice. 0: nothing may be. */
  readonly disruptions: number
  /** How many events may stay in queues. */
  readonly left: number
  /** Reasons of dead letters that no handler gave. */
  readonly dead: ReadonlyArray<string>
  /** Milliseconds until every queue handles new events after the fault is over. */
  readonly recovery: number
}

/** Something that goes wrong, and goes right again, while events flow. */
export interface InjectedFault<in S extends LabBroker = LabBroker> {
  readonly name: string
  readonly shape?: Partial<Shape>
  readonly options?: AmqpOptions.Options
  /** Whether the bus logs in as a user of this fault's own, named as its exchange. */
  readonly ownUser?: boolean
  /** How many events are confirmed at least, for a fault under high load. */
  readonly confirmed?: number
  readonly allow?: Partial<Tolerances>
  /** Breaks something, and returns when nothing is broken any more. */
  readonly inject: (lab: Lab<S>) => Effect.Effect<void, unknown, Scope.Scope>
}
