import { Effect } from "effect"
import type { Scope } from "effect"

type Ctl = (...args: ReadonlyArray<string>) => Effect.Effect<string>

/**
 * Has a node refuse larger messages, on the channels that are opened from now on until the scope is closed. RabbitMQ 3 keeps
 * the limit as a variable of its application, RabbitMQ 4 as a persistent term.
 */
export const maxMessageSize = (ctl: Ctl, bytes: number): Effect.Effect<void, never, Scope.Scope> => {
  const limit = (bytes: string) =>
    ctl("eval", `application:set_env(rabbit, K = max_message_size, ${bytes}), persistent_term:put(K, ${bytes}).`)
  const before = ctl("eval", "persistent_term:get(max_message_size, 128 * 1024 * 1024).")
  return Effect.acquireRelease(Effect.tap(before, limit(`${bytes}`)), limit).pipe(Effect.asVoid)
}
