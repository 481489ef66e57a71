/**
 * Advice that several checks give.
 *
 * @internal
 */

export const apply = "Run `eventbus topology apply`, or start the application."

export const noManagement = "Set RABBITMQ_MANAGEMENT_URL to check this."
