import type { SeededRandom } from "../../support/SeededRandom.ts"

/** A step of the protocol at which a connection can be cut. */
export type Step = "publish" | "return" | "confirm" | "deliver" | "ack"

/** A cut of a connection before or after the nth occurrence of a step, counted from the previous cut. */
export interface Cut {
  readonly step: Step
  readonly nth: number
  readonly side: "before" | "after"
  /** Whether all connections are cut, not only the one of the step. */
  readonly all: boolean
}

/** Formats a cut. */
export const showCut = ({ all, nth, side, step }: Cut): string => `${side} ${step} ${nth}${all ? ", all" : ""}`

/** Draws a cut at one of the first `most` occurrences of a step. */
export const drawCut = (random: SeededRandom, most: number): Cut => ({
  step: random.pick(["publish", "publish", "confirm", "confirm", "deliver", "deliver", "ack", "ack", "return"]),
  nth: random.int(1, most),
  side: random.pick(["before", "after"]),
  all: random.next() < 0.4
})
