/**
 * Sends publishes while there is a channel, and decides the outcome of each, as plain
 * state.
 *
 * Every message is mandatory and confirmed. The broker returns a message that no queue
 * wants before it confirms it, so a confirm counts only when no return came first
 * (https://www.rabbitmq.com/docs/confirms).
 *
 * RabbitMQ closes the channel when it refuses a publish. It processes the messages of
 * a channel in order: those sent before the refused one may have landed, and are sent
 * again. Those sent after it have not landed.
 *
 * @since 0.1.0
 */

import type { ConfirmChannel } from "amqplib"
import { EncodeFailed, Nacked, type Reason, Refused, Timeout, TooLarge, Unroutable } from "effect-eventbus/PublishError"
import * as AmqpError from "./AmqpError.ts"
import { ConfirmWindow, type Outgoing } from "./ConfirmWindow.ts"
import type { Quarantine, Sender } from "./Quarantine.ts"
import type { Refusal } from "./Refusal.ts"
import type { TrackRecord } from "./TrackRecord.ts"

type Channel = Pick<ConfirmChannel, "publish">

/**
 * The number of times that a message may be in flight when a channel or a connection
 * is closed over a publish. The last time it is alone.
 */
const maxStrikes = 2
/** The number of sweeps after which other publishes no longer wait for a held one. */
const patience = 3

/**
 * Why a channel was closed, as far as publishers are concerned.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  /** Nothing was refused. */
  | "lost"
  /** A message was refused, like an earlier one. */
  | "refused"
  /** A message was refused, for the first time. */
  | "newly refused"
  /** A message was refused, and it is unknown which one. */
  | "suspected"

/**
 * A sender of publishes, on one channel after another.
 *
 * @category models
 * @since 0.1.0
 */
export class AmqpSender implements Sender {
  readonly window: ConfirmWindow
  private readonly record: TrackRecord
  private readonly quarantine: Quarantine
  private readonly options: {
    readonly maxInFlight: number
    readonly maxInFlightBytes: number
    readonly publishTimeout: number
    /** Whether a missing exchange is declared again. */
    readonly declares: boolean
  }
  /** Whether the broker takes publishes. */
  private readonly isOpen: () => boolean
  private readonly onIdle: () => void
  private readonly now: () => number
  private channel: Channel | undefined
  /** The number of bytes that the properties of a message may have: they go into one frame. */
  private room = Infinity
  /** The largest body that the broker takes, once it has said so. Trying again would cost another channel. */
  private limit = Infinity
  /** Whether this channel has confirmed anything. */
  private hasConfirmed = false
  /** Whether anything was confirmed since the last sweep. */
  private isMoving = false
  /** A publish that may have taken a channel or a connection down. It has the connection to itself, or waits for that. */
  private suspect: Outgoing | undefined
  /** Whether nothing else has been in flight on the connection since the suspect was sent. */
  private isSolitary = false
  private lastHeld: Outgoing | undefined
  private sightings = 0

  constructor(
    options: AmqpSender["options"],
    record: TrackRecord,
    /** That of all senders on this connection. */
    quarantine: Quarantine,
    on: { readonly isOpen: () => boolean; readonly onIdle: () => void; readonly now: () => number }
  ) {
    this.options = options
    this.record = record
    this.quarantine = quarantine
    quarantine.join(this)
    this.isOpen = on.isOpen
    this.onIdle = on.onIdle
    this.now = on.now
    this.window = new ConfirmWindow(
      options.maxInFlight,
      options.maxInFlightBytes,
      ({ message, strikes }) => strikes > 0 || !this.record.knows(message),
      (outgoing) => outgoing.strikes === 0 || this.enterQuarantine(outgoing)
    )
  }

  get inFlight(): number {
    return this.window.unconfirmed
  }

  get expected(): number {
    return this.window.expected
  }

  waitNoLonger(): void {
    this.window.waitNoLonger()
  }

  get isAttached(): boolean {
    return this.channel !== undefined
  }

  add(outgoing: Outgoing): void {
    this.window.add(outgoing)
    this.pump()
  }

  /** Starts to send on a channel. */
  attach(channel: Channel, room: number): void {
    this.channel = channel
    this.room = room
    this.hasConfirmed = false
    this.pump()
  }

  /** Records that no queue wants a message. Its confirm comes later. */
  returned(messageId: unknown, exchange: string, routingKey: string): void {
    const outgoing = this.window.returned(messageId, exchange, routingKey)
    if (outgoing !== undefined) outgoing.wasReturned = true
  }

  /** Forgets what the broker of the last connection has said. */
  reconnected(): void {
    this.limit = Infinity
  }

  /** Sends as much as the window has room for. */
  pump(): void {
    this.leaveQuarantine()
    while (this.channel !== undefined && this.isOpen() && !this.quarantine.isClosedTo(this)) {
      const outgoing = this.window.next()
      if (outgoing === undefined) return
      this.send(this.channel, outgoing)
    }
  }

  /** Decides the outcome of the publishes in flight when the channel is closed. */
  detach(refusal: Refusal | undefined, isOfConnection: boolean): Verdict {
    this.channel = undefined
    let verdict: Verdict = "lost"
    const isTried = this.isSolitary || !isOfConnection
    this.window.reclaim((lost) => {
      if (refusal === undefined) return lost.forEach(leaveOpen)
      const named = isOfConnection ? [] : lost.filter(({ message }) => refusal.concerns(message))
      // Nothing else can have been the reason.
      const isSole = named.length === 0 && lost.length === 1 && !isOfConnection && lost[0]?.strikes === 0
      verdict =
        isSole || named.length > 0
          ? this.refuse(lost, isSole ? lost : named, refusal)
          : this.strike(lost, refusal, isTried)
    })
    this.leaveQuarantine()
    this.quarantine.settled(this)
    this.idle()
    return verdict
  }

  /** Ends the publishes that have passed their deadline. */
  expire(now: number, reason: (outgoing: Outgoing, isInFlight: boolean) => Reason): void {
    this.window.expire(now, (outgoing, isInFlight) => this.settle(outgoing, reason(outgoing, isInFlight)))
    this.leaveQuarantine()
    this.idle()
  }

  /** Lets other publishes go on when the one that must be alone gets no answer from its queue. */
  sweep(): void {
    this.leaveQuarantine()
    // Without a channel nothing can answer, so that is no reason to wait no longer.
    if (this.channel === undefined) {
      this.sightings = 0
      return
    }
    const held = this.window.held ?? this.suspect
    this.sightings = held === this.lastHeld && !this.isMoving ? this.sightings + 1 : 1
    this.lastHeld = held
    this.isMoving = false
    if (held === undefined || this.sightings < patience || !this.isOpen()) return
    this.sightings = 0
    // A refusal would have come by now.
    if (held.isInFlight) this.record.took(held.message)
    this.window.waitNoLonger()
    this.quarantine.hurry(this)
    if (held === this.suspect && held.isInFlight) this.leaveQuarantine(true)
    this.pump()
  }

  /**
   * Returns the reason of a publish that may have landed when it was sent earlier,
   * whatever happened the last time.
   */
  doubtful(outgoing: Outgoing, because: string): Timeout {
    const { publishTimeout } = this.options
    const millis = Math.min(Math.round(this.now() - outgoing.deadline + publishTimeout), publishTimeout)
    return new Timeout({ millis, detail: `its confirm was lost with its channel (then: ${because})` })
  }

  private send(channel: Channel, outgoing: Outgoing): void {
    const { content, exchange, properties, routingKey } = outgoing.message
    if (content.length > this.limit) {
      return this.reject(outgoing, new TooLarge({ bytes: content.length, limit: this.limit }))
    }
    if (!properties.fit(this.room)) {
      return this.reject(outgoing, new EncodeFailed({ detail: `its headers have more than ${this.room} bytes` }))
    }
    outgoing.wasReturned = false
    try {
      channel.publish(exchange, routingKey, content, properties, (error: unknown) => this.confirmed(outgoing, error))
    } catch (error) {
      // Either the channel has died under us, or it cannot be said in AMQP.
      if (!(error instanceof Error && error.name === "IllegalOperationError")) {
        return this.reject(outgoing, new EncodeFailed({ detail: AmqpError.detailOf(error) }))
      }
      this.channel = undefined
      this.window.landed(outgoing)
      this.window.putBack([outgoing])
    }
  }

  /** Settles a publish that is not sent. */
  private reject(outgoing: Outgoing, reason: Reason): void {
    this.window.landed(outgoing)
    this.conclude(outgoing, reason)
    this.idle()
  }

  private confirmed(outgoing: Outgoing, error: unknown): void {
    // A channel that closes answers for all of its publishes: `detach` decides on those.
    if (error !== null && !(error instanceof Error && error.message === "message nacked")) return
    this.hasConfirmed = true
    this.isMoving = true
    const { message, wasReturned } = outgoing
    const { routingKey } = message
    if (this.window.isAlone(outgoing)) this.record.took(message)
    this.window.landed(outgoing)
    if (error === null && !wasReturned) this.settle(outgoing, undefined)
    // That no queue wants it is so whether or not one has wanted it before.
    else if (wasReturned) this.settle(outgoing, this.unroutable(outgoing))
    else this.conclude(outgoing, new Nacked({ routingKey }))
    this.pump()
    this.quarantine.settled(this)
    this.idle()
  }

  private unroutable(outgoing: Outgoing): Unroutable {
    const { mayHaveLanded, message } = outgoing
    const { routingKey } = message
    const reason = new Unroutable({ routingKey })
    return mayHaveLanded ? new Unroutable({ routingKey, earlier: this.doubtful(outgoing, reason.message) }) : reason
  }

  /**
   * Settles the publishes that the broker refuses: the first of these, and all others
   * like it, which it would refuse, too.
   */
  private refuse(lost: ReadonlyArray<Outgoing>, refused: ReadonlyArray<Outgoing>, refusal: Refusal): Verdict {
    const [first] = refused
    if (first === undefined) return "lost"
    if (refusal.limit !== undefined) this.limit = refusal.limit
    // Of what it has taken until now, it may have taken some more.
    const isFirst = refusal.limit !== undefined || !this.hasConfirmed || !this.record.knows(first.message)
    const last = isFirst ? first : refused.at(-1)
    for (const outgoing of lost) {
      if (outgoing === last) {
        outgoing.mayHaveLanded ||= !isFirst && refused.length > 1
        break
      }
      outgoing.mayHaveLanded = true
    }
    if (refusal.isOfMissingExchange && this.options.declares) {
      if (++first.strikes === maxStrikes) this.conclude(first, refusal.reason(first.message))
      return "suspected"
    }
    const isNews = refusal.limit === undefined && this.record.refused(first.message)
    const others = this.window.waits.filter(({ message }) => refusal.concerns(message))
    for (const outgoing of [...refused, ...others]) this.conclude(outgoing, refusal.reason(outgoing.message))
    return isNews ? "newly refused" : "refused"
  }

  /** Handles a refusal of an unknown publish: each is sent again alone, and not a third time once it was tried so. */
  private strike(lost: ReadonlyArray<Outgoing>, refusal: Refusal, isTried: boolean): Verdict {
    for (const outgoing of lost) {
      leaveOpen(outgoing)
      outgoing.strikes += 1
      if (lost.length > 1 || outgoing.strikes < maxStrikes || !isTried) continue
      const detail = `it took its channel or its connection down ${maxStrikes} times: ${refusal.detail}`
      this.settle(outgoing, new Refused({ detail }))
    }
    return "suspected"
  }

  private enterQuarantine(suspect: Outgoing): boolean {
    const isFree = this.quarantine.enter(this)
    if (!this.quarantine.isClosedTo(this)) this.suspect = suspect
    this.isSolitary = isFree && this.quarantine.isAlone(this)
    return isFree
  }

  /** Lets the others go on when the suspect's fate is known, or waited for no longer. */
  private leaveQuarantine(isForced = false): void {
    const { suspect } = this
    if (suspect === undefined) return
    const isWaiting = this.channel !== undefined && !suspect.isDone && suspect === this.window.held
    if (!isForced && (suspect.isInFlight || isWaiting)) return
    this.suspect = undefined
    this.isSolitary = false
    this.quarantine.leave(this)
  }

  private settle(outgoing: Outgoing, reason: Reason | undefined): void {
    if (outgoing.isDone) return
    outgoing.isDone = true
    outgoing.settle(reason)
  }

  /** Settles a publish. The outcome of this sending says nothing about an earlier one. */
  private conclude(outgoing: Outgoing, reason: Reason): void {
    this.settle(outgoing, outgoing.mayHaveLanded ? this.doubtful(outgoing, reason.message) : reason)
  }

  private idle(): void {
    if (this.window.isIdle) this.onIdle()
  }
}

const leaveOpen = (outgoing: Outgoing): void => {
  outgoing.mayHaveLanded = true
}
