/**
 * The event types of the agent platform, and the functions that create their events.
 *
 * @since 0.1.0
 */

export * as AgentEvents from "./AgentEvents.ts"
