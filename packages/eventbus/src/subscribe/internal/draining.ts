/**
 * The end of a subscription, as its handler sees it coming.
 *
 * @internal
 */

import * as Context from "effect/Context"
import * as Latch from "effect/Latch"

/** Opens when the subscription takes no more deliveries, while its handlers may still finish. */
export const Draining = Context.Reference<Latch.Latch>("effect-eventbus/Draining", {
  defaultValue: () => Latch.makeUnsafe()
})
