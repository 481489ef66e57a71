/**
 * The check of the store of payloads.
 *
 * @internal
 */

import type * as ClaimCheck from "@effect-eventbus/bodies/ClaimCheck"
import { BrokerError } from "effect-eventbus/BrokerError"
import * as Effect from "effect/Effect"
import type { Check } from "../check.ts"
import { counted } from "./counted.ts"

/**
 * Checks the store of payloads for blobs that no message refers to.
 *
 * @category checks
 * @since 0.1.0
 */
export const blobs = ({ orphans, unseen, unusedSince }: ClaimCheck.Survey): Check => {
  const check = "blobs"
  const since = `since ${new Date(unusedSince).toISOString()}`
  const untold = unseen.map(({ messages, name }) => `${counted(messages, "event")} in "${name}"`)
  const but = untold.length === 0 ? "" : `; ${untold.join(" and ")} cannot be looked at`
  if (orphans.length === 0) {
    return { check, status: "ok", detail: `every blob was used ${since}, or an event or a dead letter needs it${but}` }
  }
  return {
    check,
    status: "warn",
    detail: `${counted(orphans.length, "blob")} not used ${since}, and no event or dead letter needs ${orphans.length === 1 ? "it" : "them"}${but}`,
    advice: "See them with `eventbus blobs sweep`, and delete them with --delete."
  }
}

/** Makes the check of a survey, which may fail. */
export const blobsOf = (
  survey: Effect.Effect<ClaimCheck.Survey, { readonly message: string }>
): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.match(survey, {
    onSuccess: (found) => [blobs(found)],
    onFailure: (error) => [
      error instanceof BrokerError && error.reason._tag === "NotBrowsable"
        ? {
            check: "blobs",
            status: "skip",
            detail: error.message,
            advice: "Ask again when all dead letters can be looked at, and no other client holds them."
          }
        : {
            check: "blobs",
            status: "fail",
            detail: error.message,
            advice: "Check the store of the module's BodyPlan, and that this user may read the dead letters."
          }
    ]
  })
