/**
 * The checks of exchanges, queues and bindings.
 *
 * @internal
 */

import type { AmqpOptions } from "@effect-eventbus/amqp"
import { isDeadLetterQueue } from "effect-eventbus/QueueSpec"
import * as TopologyReport from "../../TopologyReport.ts"
import type { Check } from "../check.ts"
import { apply, noManagement } from "./advice.ts"

/** Whether dead letters or retries get lost while the item is missing. */
const isNeededByFailures = ({ item }: TopologyReport.Finding, { deadLetterExchange }: AmqpOptions.Settings): boolean =>
  item._tag === "Queue"
    ? isDeadLetterQueue(item.declaration.name)
    : (item._tag === "Exchange" ? item.name : item.exchange) === deadLetterExchange

const topologyCheck = (finding: TopologyReport.Finding, losesDeadLetters: boolean): Check => {
  const { isOurs, item, state } = finding
  const check = item._tag.toLowerCase()
  const name = TopologyReport.nameOf(item)
  switch (state._tag) {
    case "There":
      return { check, status: "ok", detail: isOurs ? name : `${name}, declared by another application` }
    case "Missing":
      if (losesDeadLetters) {
        const detail = `${name} is missing, so dead letters or retries are lost`
        return { check, status: "fail", detail, advice: apply }
      }
      return isOurs
        ? { check, status: "warn", detail: `${name} is missing`, advice: apply }
        : { check, status: "fail", detail: `${name} is missing`, advice: "Its owner has to declare it." }
    case "Different":
      return {
        check,
        status: "fail",
        detail: `${name}: ${TopologyReport.differences(finding).join("; ")}`,
        advice:
          item._tag === "Queue"
            ? "Drain and delete it, then run `eventbus topology apply`; or subscribe with its arguments."
            : "Use another exchange (RABBITMQ_EXCHANGE), or delete it and run `eventbus topology apply`."
      }
    case "Unseen":
      return {
        check,
        status: "fail",
        detail: `${name}: ${state.why}`,
        advice: "Grant this user configure on it. If it is exclusive to another connection, close that."
      }
    case "Hidden":
      return {
        check,
        status: "skip",
        detail: `${name}: ${state.why}`,
        advice: "Another application declares it. To check it, grant this user read or write on it."
      }
    case "Unwanted":
      return {
        check,
        status: "warn",
        detail: `no subscription asks for ${name}`,
        advice: "Remove the binding unless it is intended: the queue receives events that its handler does not know."
      }
  }
}

/**
 * Checks a topology report.
 *
 * @category checks
 * @since 0.1.0
 */
export const topology = (
  { findings }: TopologyReport.TopologyReport,
  settings: AmqpOptions.Settings
): ReadonlyArray<Check> => {
  const isThere = ({ state }: TopologyReport.Finding) => state._tag !== "Missing"
  const there = findings.filter(isThere).map(({ item }) => item)
  const queues = new Set(there.flatMap((item) => (item._tag === "Queue" ? [item.declaration.name] : [])))
  const exchanges = new Set(there.flatMap((item) => (item._tag === "Exchange" ? [item.name] : [])))
  // A missing queue or exchange is reported itself, so its bindings need not be.
  const isReported = ({ item }: TopologyReport.Finding) =>
    item._tag !== "Binding" || (queues.has(item.queue) && exchanges.has(item.exchange))
  const isUsed = [...queues].some((queue) => !isDeadLetterQueue(queue))
  const checks = findings
    .filter((each) => isReported(each) && !TopologyReport.isUnseenBinding(each))
    .map((each) => topologyCheck(each, isUsed && !isThere(each) && isNeededByFailures(each, settings)))
  if (!findings.some(TopologyReport.isUnseenBinding)) return checks
  const advice = `${noManagement} Or run \`eventbus topology apply\`, which restores all bindings.`
  return [...checks, { check: "binding", status: "skip", detail: "not available over AMQP", advice }]
}
