import * as HandlerScript from "./HandlerScript.ts"

/** How many events a workload publishes and how it handles them. */
export interface WorkloadShape {
  readonly publishers: number
  /** Milliseconds that a publisher waits before its next event. */
  readonly pause: number
  /** The number of queues with a routing key of their own. */
  readonly queues: number
  /** Whether one more queue receives every event. */
  readonly fanout: boolean
  readonly concurrency: number
  /** The number of events that a subscription holds. Default: the concurrency. */
  readonly prefetch?: number
  /** The most milliseconds that a handler takes. */
  readonly handling: number
  /** Milliseconds until a handler times out. */
  readonly handlerTimeout: number
  /** The number of extra bytes in each payload. */
  readonly padding: number
  readonly scripts: HandlerScript.Shares
  /** The most events that are handled together; 1 is no batch. */
  readonly batch: number
  /** The percentage of events that are delayed. */
  readonly delayed: number
  /** The most milliseconds that an event is delayed by. */
  readonly delay: number
}

/** A steady load far below the limits of the bus. */
export const steady: WorkloadShape = {
  publishers: 8,
  pause: 8,
  queues: 2,
  fanout: true,
  concurrency: 10,
  handling: 8,
  handlerTimeout: 3000,
  padding: 20,
  scripts: HandlerScript.usual,
  batch: 1,
  delayed: 0,
  delay: 0
}

/** As much load as the bus takes. */
export const heavy: WorkloadShape = {
  ...steady,
  publishers: 200,
  pause: 0,
  concurrency: 100,
  handling: 3,
  scripts: { flaky: 3, doomed: 1, defect: 1 }
}

/** The number of expired messages that RabbitMQ moves out of a queue at once, and moves again after a crash. */
const expiring = 32

/** The number of wait queues of a subscription. */
const waitQueues = 2

/** The number of levels that a delayed event may wait at. */
const levels = 25

/** Returns how many events can be in flight at once, and so can be handled twice when everything breaks. */
export const inFlight = ({
  concurrency,
  delayed,
  fanout,
  prefetch = concurrency,
  publishers,
  queues
}: WorkloadShape): number => {
  const subscriptions = queues + (fanout ? 1 : 0)
  // An event reaches its own queue and the queue for all events. A delivery is handled, retried or dead-lettered.
  const delays = delayed === 0 ? 0 : levels * expiring * (fanout ? 2 : 1)
  return publishers * (fanout ? 2 : 1) + subscriptions * (2 * prefetch + waitQueues * expiring) + delays
}
