import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { Channel } from "amqplib"
import type { Effect, Scope } from "effect"
import type { EventBus } from "effect-eventbus"
import type { Breach } from "../../support/eventually.ts"
import type { SeededRandom } from "../../support/SeededRandom.ts"
import type { LabBroker } from "../broker/LabBroker.ts"
import type { EventLedger } from "../ledger/EventLedger.ts"
import type { Tolerances } from "../ledger/Tolerances.ts"
import type { FrameProxy } from "../proxy/FrameProxy.ts"
import type { TcpProxy } from "../proxy/TcpProxy.ts"
import type { Workload } from "../workload/Workload.ts"
import type { WorkloadShape } from "../workload/WorkloadShape.ts"

/** Everything that a fault can use while events flow. */
export interface Lab<out B extends LabBroker = LabBroker> {
  readonly broker: B
  /** The name of the exchange, which is also the prefix of every queue. */
  readonly name: string
  readonly exchanges: readonly [events: string, deadLetters: string]
  readonly bus: EventBus.EventBus["Service"]
  readonly workload: Workload
  readonly ledger: EventLedger
  readonly random: SeededRandom
  /** The proxies between the bus and each node. `frames` and `tcp` are those of the first node. */
  readonly proxies: ReadonlyArray<FrameProxy>
  readonly tcp: TcpProxy
  readonly frames: FrameProxy
  /** Runs `rabbitmqctl` on the first node. */
  readonly ctl: (...args: ReadonlyArray<string>) => Effect.Effect<string>
  /** Sends a request to the first node as another client. */
  readonly ask: <A>(request: (channel: Channel) => Promise<A>) => Effect.Effect<A>
  /** Waits until the bus reports a status. */
  readonly becomes: (status: "healthy" | "degraded" | "unhealthy") => Effect.Effect<void, Breach>
  /** Excuses the loss of at most `most` events that were published to a queue before a time. */
  readonly destroyed: (queue: string, before: number, most: number) => Effect.Effect<void>
  /** Adds a note to the result. */
  readonly note: (text: string) => Effect.Effect<void>
}

/** A fault that is injected while events flow, and then removed. */
export interface InjectedFault<in B extends LabBroker = LabBroker> {
  readonly name: string
  readonly shape?: Partial<WorkloadShape>
  readonly options?: AmqpOptions.Options
  /** Whether the bus logs in as a user that only this fault uses. The user has the name of the exchange. */
  readonly ownUser?: boolean
  /** The number of confirmed events before the experiment may end. */
  readonly confirmed?: number
  readonly allow?: Partial<Tolerances>
  /** Injects the fault, and returns when it is removed. */
  readonly inject: (lab: Lab<B>) => Effect.Effect<void, unknown, Scope.Scope>
}
