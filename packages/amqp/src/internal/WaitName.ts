/**
 * The names of the queues in which failed events wait.
 *
 * @internal
 */

/** The prefix of the names of wait queues. A user's queue may begin with it, too. */
export const prefix = "wait."

/** Returns the name of the queue in which messages for a queue wait. It is part of the wire: keep it. */
export const of = (queue: string, delay: number, exchange: string): string =>
  `${prefix}${queue}.${delay}.quorum.${exchange}`

/** Whether a queue waits for an exchange: not every name that begins like a wait queue's is one. */
export const isOne = (name: string, exchange: string): boolean =>
  name.startsWith(prefix) && name.endsWith(`.quorum.${exchange}`)
