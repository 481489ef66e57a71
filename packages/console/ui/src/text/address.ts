/** Reads an address before the page itself is there. */

/** Returns the queue in the address of a page of dead letters, as it stands there. */
export const queueIn = (path: string): string | undefined => /^queues\/([^/]+)\/dead-letters(?:\/|$)/.exec(path)?.[1]
