/**
 * The time from which the age of an event counts, and the time at which it expires.
 *
 * @internal
 */

import * as DateTime from "effect/DateTime"
import type { Envelope } from "../../broker/Envelope.ts"
import type { Event } from "../../event/Event.ts"

/** Returns the time from which the age of an event counts: its timestamp, or the time at which it was due. */
export const bornAt = ({ timestamp }: Event, { dueAt }: Envelope): number => dueAt ?? DateTime.toEpochMillis(timestamp)

/** Returns how late a delayed event may be, in milliseconds: a second or 1 %. That must not use up its time to live. */
const lateness = (event: Event, { dueAt }: Envelope): number =>
  dueAt === undefined ? 0 : Math.max(1000, (dueAt - DateTime.toEpochMillis(event.timestamp)) / 100)

/**
 * Returns the time at which an event expires, in milliseconds since 1970, if it ever does. One that was replayed does not: an
 * operator asked for it.
 */
export const expiresAt = (event: Event, envelope: Envelope): number | undefined =>
  event.ttlSeconds === undefined || envelope.round > 0
    ? undefined
    : bornAt(event, envelope) + lateness(event, envelope) + event.ttlSeconds * 1000

/** Returns the reason why an event is not handled once more. */
export const outlived = (attempts: number): string =>
  `the event ${attempts === 0 ? "waited longer than its time to live" : "outlived its time to live between two attempts"}`
