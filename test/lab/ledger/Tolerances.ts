/** The deviations from a perfect run that are correct behaviour under a certain fault. */
export interface Tolerances {
  /** The reasons for which publishes may fail. */
  readonly failures: ReadonlyArray<string>
  /** Further reasons for which a publish may fail although its event has reached a queue. */
  readonly landed: ReadonlyArray<string>
  /** The reasons for which the broker may close a channel or a connection. Each is the start of `{code} {text}`. */
  readonly closes: ReadonlyArray<string>
  /** The number of times that everything in flight may be handled twice. 0 allows no duplicate. */
  readonly disruptions: number
  /** The number of events that may stay in queues. */
  readonly left: number
  /** The reasons for which an event may be a dead letter although its handler succeeds. */
  readonly dead: ReadonlyArray<string>
  /** Milliseconds after the fault in which every queue must handle new events. */
  readonly recovery: number
}

/** The tolerances of a fault that states none. */
export const defaults: Tolerances = {
  failures: [],
  landed: [],
  closes: ["320 CONNECTION_FORCED"],
  disruptions: 1,
  left: 0,
  dead: [],
  recovery: 30_000
}
