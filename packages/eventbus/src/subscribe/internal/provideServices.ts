/**
 * Provides the effects of a handler with the services of a layer, one for each delivery.
 *
 * @internal
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** The most services that are added one by one. For more it costs less to merge the contexts. */
const most = 4

/**
 * Returns what `Effect.provideContext` does, for many effects. A few services are added
 * one by one, because that copies nothing, and leaves a fiber what it has cached of its
 * context.
 */
export const make = <S>(
  context: Context.Context<S>
): (<A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, S>>) => {
  const [first, ...others] = context.mapUnsafe
  if (first === undefined || others.length >= most) return Effect.provideContext(context)
  return <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.updateContext(self, (to: Context.Context<Exclude<R, S>>): Context.Context<R> => {
      let all = Context.addUnsafe<Exclude<R, S>, R, unknown>(to, ...first)
      for (const [key, service] of others) all = Context.addUnsafe(all, key, service)
      return all
    })
}
