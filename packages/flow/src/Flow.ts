/**
 * Steps of a handler that protect what it depends on.
 *
 * A step that holds events up gives them back unchanged, with no attempt used, and pauses
 * the subscription. So they wait in the queue, and not unacknowledged in a process.
 *
 * @since 0.1.0
 */

export { adaptive, type AdaptiveOptions } from "./internal/adaptive.ts"
export { breaker, type BreakerOptions } from "./internal/breaker.ts"
export { rateLimit, type RateLimitOptions } from "./internal/rateLimit.ts"
