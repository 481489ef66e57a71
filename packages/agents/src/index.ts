/**
 * The agent platform's event types and creators.
 *
 * @since 0.1.0
 */

export * as AgentEvents from "./AgentEvents.ts"
