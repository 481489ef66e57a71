/**
 * Steps of a handler that protect what it depends on: a circuit breaker, a rate limit, and
 * a concurrency that adapts.
 *
 * @since 0.1.0
 */

export * as Flow from "./Flow.ts"
