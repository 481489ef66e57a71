import { Schema } from "effect"
import { EventType } from "effect-eventbus"

/** An event that has its place among those of its key. */
export const OrderedWork = EventType.make("lab.ordered", {
  payload: Schema.Struct({ key: Schema.String, n: Schema.Int })
})
