/**
 * The sessions of a bus, and the copies of their events, wherever those are.
 *
 * An event belongs to the session that published it, or whose handler did. On another
 * service's events, the trace tells.
 *
 * @internal
 */

import * as Correlation from "effect-eventbus/Correlation"
import type { DecodedDelivery } from "effect-eventbus/DecodedDelivery"
import type { Delivery } from "effect-eventbus/Delivery"
import type { DeliveryObserver } from "effect-eventbus/DeliveryObserver"
import type { Envelope } from "effect-eventbus/Envelope"
import * as Fault from "effect-eventbus/Fault"
import type { Settlement } from "effect-eventbus/Settlement"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import { type Activity, type Copy, noQueue, type Step } from "./Activity.ts"
import { KnownQueues } from "./KnownQueues.ts"
import { TrackedDelivery } from "./TrackedDelivery.ts"

/** The session whose effect runs. */
export const Current: Context.Reference<Activity | undefined> = Context.Reference<Activity | undefined>(
  "@effect-eventbus/testing/Session",
  { defaultValue: () => undefined }
)

/** The state of a session. */
export interface Status {
  /** Whether something goes on that needs no time. */
  readonly isActive: boolean
  /** The copies that have outlived their time to live. Their broker drops them unseen. */
  readonly expired: ReadonlyArray<Copy>
  /** The time at which a copy enters its queue or expires, or `Infinity`. */
  readonly nextAt: number
}

const kinds: Readonly<Record<Settlement["_tag"], Step["kind"]>> = {
  Ack: "handled",
  Requeue: "given back",
  Pause: "given back",
  Retry: "retried",
  DeadLetter: "dead-lettered",
  Discard: "discarded"
}

const keyOf = (queue: string, { id }: Envelope): string => `${queue} ${id}`

export class Tracking {
  readonly queues = new KnownQueues()
  private readonly clock: Clock.Clock
  private readonly byTrace = new Map<string, Activity>()
  private readonly byEvent = new Map<string, Activity>()
  private readonly copies = new Map<string, Set<Copy>>()
  private readonly deliveries = new WeakMap<Envelope, TrackedDelivery>()

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  get now(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  open(activity: Activity): void {
    this.byTrace.set(activity.traceId, activity)
  }

  /** Forgets a session. */
  close(activity: Activity): void {
    if (this.byTrace.get(activity.traceId) === activity) this.byTrace.delete(activity.traceId)
    for (const id of activity.eventIds) if (this.byEvent.get(id) === activity) this.byEvent.delete(id)
    for (const copy of activity.copies) this.remove(copy)
  }

  /** Returns the session that publishes an envelope, if one does, and makes the event one of its own. */
  claim(fiber: Fiber.Fiber<unknown, unknown>, envelope: Envelope): Activity | undefined {
    const { parentEventId } = fiber.getRef(Correlation.Current)
    const own = fiber.getRef(Current)
    const held = this.find(envelope.origin?.queue ?? "", envelope, (copy) => copy.state === "held")
    const activity =
      held?.activity ??
      this.byEvent.get(parentEventId ?? "") ??
      // The handlers that a session subscribes see the events of others, too.
      (own?.parentEventId === parentEventId && this.byTrace.get(own?.traceId ?? "") === own ? own : undefined) ??
      this.sessionOf(envelope)
    if (activity !== undefined) this.own(activity, envelope)
    return activity
  }

  /** Adds copies that are on their way to their queues. */
  add(activity: Activity, queues: ReadonlyArray<string>, envelope: Envelope, delay = 0): ReadonlyArray<Copy> {
    return queues.map((queue) => this.addOne(activity, queue, envelope, this.now + delay))
  }

  /** Notes that the copies are in their queues. */
  land(copies: ReadonlyArray<Copy>): void {
    for (const copy of copies) if (copy.state === "publishing") copy.state = "waiting"
  }

  /** Removes the copies that came to no queue. */
  drop(copies: ReadonlyArray<Copy>): void {
    for (const copy of copies) if (copy.state === "publishing") this.remove(copy)
  }

  /** Removes the copies that wait in a queue that is purged, or one that was taken out of it. */
  take(queue: string, envelope?: Envelope): void {
    for (const copies of this.copies.values()) {
      for (const copy of copies) {
        if (copy.queue !== queue || copy.state !== "waiting" || copy.dueAt > this.now) continue
        if (envelope !== undefined && copy.envelope.id !== envelope.id) continue
        this.remove(copy)
        if (envelope !== undefined) return
      }
    }
  }

  /** Returns a delivery that tells how it ends, if its event belongs to a session. */
  deliver(queue: string, consumer: object, delivery: Delivery): Delivery {
    const { envelope } = delivery
    const later = this.find(noQueue, envelope, ({ state }) => state !== "held")
    if (later !== undefined) this.arrive(later)
    const isFree = ({ delivery, state }: Copy) => state !== "held" || delivery?.isLive() !== true
    const isSame = (copy: Copy) => isFree(copy) && (copy.envelope.attempt ?? 1) === (envelope.attempt ?? 1)
    const known = this.find(queue, envelope, isSame) ?? this.find(queue, envelope, isFree)
    const activity = known?.activity ?? this.sessionOf(envelope)
    if (activity === undefined) return delivery
    this.own(activity, envelope)
    const copy = known ?? this.addOne(activity, queue, envelope, this.now)
    const tracked = new TrackedDelivery(delivery, copy, consumer, {
      acknowledged: (delivery) => this.acknowledged(delivery),
      returned: () => this.returned(copy)
    })
    copy.state = "held"
    copy.delivery = tracked
    this.deliveries.set(tracked.envelope, tracked)
    return tracked
  }

  /** Notes that a consumer is gone: its broker takes back what it held, unless that had left its queue before. */
  release(consumer: object): void {
    for (const copies of this.copies.values()) {
      for (const copy of copies) {
        if (copy.state !== "held" || copy.delivery?.consumer !== consumer) continue
        if (!copy.delivery.isAcknowledged) this.returned(copy)
        else {
          this.note(copy.delivery, "discarded", undefined, undefined)
          this.remove(copy)
        }
      }
    }
    for (const { changed } of this.byTrace.values()) changed.openUnsafe()
  }

  /** Sees how subscriptions end their deliveries. */
  readonly observer: DeliveryObserver = {
    received: ({ envelope }) => {
      const delivery = this.deliveries.get(envelope)
      if (delivery !== undefined) delivery.isReceived = true
    },
    settled: ({ envelope }, settlement, decoded) => {
      const delivery = this.deliveries.get(envelope)
      if (delivery === undefined || !delivery.isSettled) return
      this.note(delivery, kinds[settlement._tag], settlement, decoded)
      if (delivery.isAcknowledged) this.remove(delivery.copy)
    }
  }

  /** Returns what keeps a session from its end. */
  statusOf({ copies, inFlight, isRunning }: Activity): Status {
    const { now } = this
    for (const copy of copies) if (copy.queue === noQueue && copy.dueAt <= now) this.arrive(copy)
    const expired: Array<Copy> = []
    let isActive = isRunning || inFlight > 0
    let nextAt = Infinity
    for (const copy of copies) {
      if (copy.state === "held") isActive = true
      if (copy.state !== "waiting") continue
      if (copy.dueAt > now) nextAt = Math.min(nextAt, copy.dueAt)
      else if (copy.expiresAt <= now) expired.push(copy)
      else {
        nextAt = Math.min(nextAt, copy.expiresAt)
        isActive ||= this.queues.isConsumed(copy.queue)
      }
    }
    return { isActive, expired, nextAt }
  }

  /** Brings a delayed event to the queues that are bound for it. */
  private arrive(copy: Copy): void {
    const { activity, dueAt, envelope, state } = copy
    if (state !== "waiting") return
    this.remove(copy)
    const queues = this.queues.route(envelope.routingKey)
    this.land(queues.map((queue) => this.addOne(activity, queue, envelope, dueAt)))
    if (queues.length === 0) activity.note("unroutable", this.now, envelope)
  }

  /** Notes that a copy has expired in its queue. Its dead letter is known when it is delivered. */
  expire(copy: Copy): void {
    if (copy.state !== "waiting") return
    const { activity, envelope, queue } = copy
    const attempts = (envelope.attempt ?? 1) - 1
    const message = "the event waited longer than its time to live"
    const fault = Fault.make({ reason: "expired", message, attempts, now: this.now, type: envelope.type })
    const isKept = this.queues.deadLetterQueueOf(queue) !== undefined
    activity.note(isKept ? "dead-lettered" : "discarded", this.now, envelope, { queue, fault })
    this.remove(copy)
  }

  private note(
    { copy, envelope }: TrackedDelivery,
    kind: Step["kind"],
    settlement: Settlement | undefined,
    decoded: DecodedDelivery | undefined
  ): void {
    copy.activity.note(kind, this.now, envelope, {
      queue: copy.queue,
      event: decoded?.event,
      attempt: decoded?.attempt ?? envelope.attempt ?? 1,
      fault: settlement !== undefined && "fault" in settlement ? settlement.fault : undefined,
      delay: settlement?._tag === "Retry" ? Math.round(Duration.toMillis(settlement.delay)) : undefined
    })
  }

  /** Ends a delivery, unless a subscription has received it and says later how it ended. */
  private acknowledged(delivery: TrackedDelivery): void {
    if (delivery.isReceived) return
    this.note(delivery, "handled", undefined, undefined)
    this.remove(delivery.copy)
  }

  private returned(copy: Copy): void {
    copy.state = "waiting"
    copy.activity.changed.openUnsafe()
  }

  private own(activity: Activity, { id }: Envelope): void {
    if (id === undefined) return
    this.byEvent.set(id, activity)
    activity.eventIds.add(id)
  }

  private sessionOf({ id, traceId }: Envelope): Activity | undefined {
    return this.byEvent.get(id ?? "") ?? this.byTrace.get(traceId?.toLowerCase() ?? "")
  }

  private find(queue: string, envelope: Envelope, isWanted: (copy: Copy) => boolean): Copy | undefined {
    for (const copy of this.copies.get(keyOf(queue, envelope)) ?? []) if (isWanted(copy)) return copy
  }

  private addOne(activity: Activity, queue: string, envelope: Envelope, dueAt: number): Copy {
    const expiresAt = dueAt + Math.min(envelope.ttl ?? Infinity, this.queues.ttlOf(queue))
    const copy: Copy = { activity, queue, envelope, dueAt, expiresAt, state: "publishing", delivery: undefined }
    const key = keyOf(queue, envelope)
    this.copies.set(key, (this.copies.get(key) ?? new Set()).add(copy))
    activity.copies.add(copy)
    return copy
  }

  private remove(copy: Copy): void {
    const key = keyOf(copy.queue, copy.envelope)
    const copies = this.copies.get(key)
    copies?.delete(copy)
    if (copies?.size === 0) this.copies.delete(key)
    copy.activity.copies.delete(copy)
    copy.activity.changed.openUnsafe()
  }
}
