/**
 * Gives what may have taken a connection down the connection to itself, so that the
 * next closing tells who did it, and takes nothing else along.
 *
 * @internal
 */

/** One that sends on a channel of the connection. */
export interface Sender {
  /** How many messages it has in flight. */
  readonly inFlight: number
  /** How many of these are expected to be confirmed soon. */
  readonly expected: number
  /** Expects what is in flight no longer. */
  readonly waitNoLonger: () => void
  readonly pump: () => void
}

export class Quarantine {
  private readonly senders = new Set<Sender>()
  /** The sender of the suspect that has the connection, or that waits until it is empty. */
  private owner: Sender | undefined

  join(sender: Sender): void {
    this.senders.add(sender)
  }

  /** Returns whether a sender has to wait for the suspect of another one. */
  isClosedTo(sender: Sender): boolean {
    return this.owner !== undefined && this.owner !== sender
  }

  /** Returns whether a sender may send its suspect now. Nothing else is sent until it leaves. */
  enter(sender: Sender): boolean {
    this.owner ??= sender
    return this.owner === sender && this.others(sender).every(({ expected }) => expected === 0)
  }

  /** Returns whether nothing of other senders is in flight. */
  isAlone(sender: Sender): boolean {
    return this.owner === sender && this.others(sender).every(({ inFlight }) => inFlight === 0)
  }

  /** Waits no longer for what others have in flight: their queues may not answer at all. */
  hurry(sender: Sender): void {
    if (this.owner === sender) for (const other of this.others(sender)) other.waitNoLonger()
  }

  /** Lets the others go on. */
  leave(sender: Sender): void {
    if (this.owner !== sender) return
    this.owner = undefined
    for (const other of this.others(sender)) other.pump()
  }

  /** Lets the suspect go that waits for what is in flight. */
  settled(sender: Sender): void {
    if (this.owner !== undefined && this.owner !== sender) this.owner.pump()
  }

  private others(sender: Sender): ReadonlyArray<Sender> {
    return [...this.senders].filter((other) => other !== sender)
  }
}
