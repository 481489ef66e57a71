/**
 * The brokers that open what they deliver, so that their messages no longer tell how they were sealed.
 *
 * @internal
 */

import type { Broker } from "effect-eventbus/Broker"

const wrapped = new WeakSet<Broker["Service"]>()

/** Remembers a broker, and returns it. */
export const add = (broker: Broker["Service"]): Broker["Service"] => {
  wrapped.add(broker)
  return broker
}

export const has = (broker: Broker["Service"]): boolean => wrapped.has(broker)
