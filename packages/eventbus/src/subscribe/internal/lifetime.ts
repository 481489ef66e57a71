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

/** Returns the time at which an event expires, in milliseconds since 1970, if it ever does. */
export const expiresAt = (event: Event, envelope: Envelope): number | undefined =>
  event.ttlSeconds === undefined
    ? undefined
    : bornAt(event, envelope) + lateness(event, envelope) + event.ttlSeconds * 1000
