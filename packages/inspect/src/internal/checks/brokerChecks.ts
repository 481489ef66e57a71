/**
 * The checks of the broker itself: connection, version, feature flags, clock.
 *
 * @internal
 */

import type { AmqpOptions, AmqpProbe } from "@effect-eventbus/amqp"
import { AmqpTopology } from "@effect-eventbus/amqp"
import type { BrokerError, Reason } from "effect-eventbus/BrokerError"
import type { QueueSpec } from "effect-eventbus/QueueSpec"
import type { FeatureFlag, NodeMemory } from "../../Management.ts"
import type { Check } from "../check.ts"

const upgrade = "Upgrade RabbitMQ to 4.2, or to 4.3.5 or later."

/**
 * Checks a version of RabbitMQ.
 *
 * **Details**
 *
 * 3.10 is the first version whose quorum queues support a message TTL. Before 4.3.3, a
 * leader could treat a message as committed too early
 * (https://github.com/rabbitmq/ra/pull/637); before 4.3.5, a queue could be used before
 * it had recovered.
 *
 * @category checks
 * @since 0.1.0
 */
export const version = (version: string): Check => {
  const [, major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version) ?? []).map(Number)
  const found = { check: "version", detail: `RabbitMQ ${version}` }
  const but = (status: "warn" | "fail", why: string, advice: string): Check => ({
    ...found,
    status,
    detail: `${found.detail}: ${why}`,
    advice
  })
  if (major === 0) return but("warn", "an unknown version", "Check that the broker is RabbitMQ 3.10 or later.")
  if (major < 3 || (major === 3 && minor < 10)) {
    return but("fail", "its quorum queues do not support a message TTL, so retries would wait forever", upgrade)
  }
  if (major === 3) return but("warn", "it no longer gets fixes from the community", upgrade)
  if (major === 4 && minor === 3 && patch < 3) {
    return but("fail", "it may confirm messages before they are safe, and lose them", upgrade)
  }
  if (major === 4 && minor === 3 && patch < 5) {
    return but("warn", "a queue may be used before it has recovered", upgrade)
  }
  return { ...found, status: "ok" }
}

/**
 * Checks for events that are lost if they expire just before RabbitMQ is killed.
 *
 * **Details**
 *
 * From 4.0 on, RabbitMQ does not write a message at once that expires from one classic
 * queue into another.
 *
 * @category checks
 * @since 0.1.0
 */
export const expiry = (
  version: string,
  queues: ReadonlyArray<QueueSpec>,
  settings: AmqpOptions.Settings
): ReadonlyArray<Check> => {
  if (!(Number.parseInt(version, 10) >= 4)) return []
  const isClassic = ({ arguments: args }: AmqpTopology.Declaration) => args["x-queue-type"] === "classic"
  return queues.flatMap((queue): ReadonlyArray<Check> => {
    const { deadLetterQueue, messageTtl, name } = queue
    if (messageTtl === undefined || deadLetterQueue === undefined) return []
    const declared = [AmqpTopology.workQueue(queue, settings), AmqpTopology.deadLetterQueue(deadLetterQueue, settings)]
    if (!declared.every(isClassic)) return []
    return [
      {
        check: "expiry",
        status: "warn",
        detail: `${name} and ${deadLetterQueue} are classic queues: a killed RabbitMQ loses what has just expired`,
        advice: "Make one of them a quorum queue (queueType)."
      }
    ]
  })
}

/** The advice for each reason why a connection failed. */
const remedies: Partial<Record<Reason["_tag"], string>> = {
  ConnectionFailed: "Check RABBITMQ_HOST and RABBITMQ_PORT. `docker compose up -d --wait` starts a local broker.",
  AuthenticationFailed:
    "Check RABBITMQ_USER and RABBITMQ_PASSWORD. The user guest may log in only from the broker's own host.",
  VhostNotFound: "Check RABBITMQ_VHOST, or use `rabbitmqctl add_vhost` and `rabbitmqctl set_permissions`.",
  TooFewChannels: "Raise channel_max in rabbitmq.conf, or in the URL. 2047 is RabbitMQ's own default.",
  PermissionDenied: "Grant the user access to the virtual host with `rabbitmqctl set_permissions`.",
  CertificateRejected: "Trust its authority with NODE_EXTRA_CA_CERTS, or use the host name in its certificate.",
  TlsFailed: "Use the port of TLS, which is usually 5671, or an amqp:// URL where the broker has no TLS."
}

/**
 * Returns the failed check of a connection.
 *
 * @category checks
 * @since 0.1.0
 */
export const noConnection = ({ message, reason }: BrokerError): Check => ({
  check: "connection",
  status: "fail",
  detail: message,
  advice: remedies[reason._tag] ?? "Check the log of RabbitMQ."
})

/** Checks that the feature flags that are stable are enabled. */
export const featureFlags = (flags: ReadonlyArray<FeatureFlag>): ReadonlyArray<Check> => {
  const check = "feature flags"
  const off = flags.filter(({ stability, state }) => state === "disabled" && stability !== "experimental")
  if (off.length === 0) return [{ check, status: "ok", detail: `all ${flags.length} stable flags are enabled` }]
  const detail = `disabled: ${off.map(({ name }) => name).join(", ")}`
  const advice = "Once all nodes run the same version, use `rabbitmqctl enable_feature_flag all`."
  return [{ check, status: "warn", detail, advice }]
}

/** The clocks of two synchronized machines differ by less. In milliseconds. */
const tolerance = 5000

const seconds = (millis: number): string => `${(Math.abs(millis) / 1000).toFixed(1)} s`

/**
 * Checks the difference between the broker's clock and the one of this machine.
 *
 * @category checks
 * @since 0.1.0
 */
export const clock = ({ least, most }: AmqpProbe.ClockDifference): Check => {
  const check = "clock"
  const isAhead = least > 0
  const difference = seconds(isAhead ? least : most)
  if (least <= tolerance && most >= -tolerance) {
    const detail =
      least <= 0 && most >= 0
        ? "the broker's clock and this one agree within a second"
        : `the broker's clock is at least ${difference} ${isAhead ? "ahead" : "behind"}`
    return { check, status: "ok", detail }
  }
  return {
    check,
    status: "warn",
    detail: `the broker's clock is at least ${difference} ${isAhead ? "ahead of" : "behind"} this one`,
    advice: "Synchronize both with NTP: ages and expirations are computed from both clocks."
  }
}

/** The memory limit under which RabbitMQ was seen to block publishers for the sake of its quorum queues. In bytes. */
const leastMemory = 700_000_000

/**
 * Checks the memory limits of the nodes.
 *
 * **Details**
 *
 * RabbitMQ keeps the log of its quorum queues in memory until it has 512 MB. A node that
 * blocks its publishers before stays blocked, because its log no longer grows. Measured on
 * 3.10: for ever with a limit of 512 MB, up to a second with 700 MB, never with 1,000 MB.
 *
 * @category checks
 * @since 0.1.0
 */
export const memory = (nodes: ReadonlyArray<NodeMemory>): ReadonlyArray<Check> => {
  const check = "memory"
  const small = nodes.filter(({ limit }) => limit < leastMemory)
  if (small.length === 0)
    return [{ check, status: "ok", detail: "every node has room for the log of its quorum queues" }]
  return small.map(({ limit, name }) => ({
    check,
    status: "warn",
    detail: `${name} blocks publishers at ${Math.round(limit / 1e6)} MB, and its quorum queues alone may keep 512 MB: then it blocks them for ever`,
    advice: "Raise vm_memory_high_watermark to 1 GB, or lower raft.wal_max_size_bytes to a third of it."
  }))
}
