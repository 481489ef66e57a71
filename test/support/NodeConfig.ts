/** How nodes of the tests' own are configured, wherever they run. */

/**
 * Nothing may take longer than a test waits. What a quorum queue could not dead-letter, because its exchange or the next
 * queue was gone, it would try again after three minutes.
 */
const hasty = [
  "{channel_tick_interval, 1000}",
  "{quorum_tick_interval, 1000}",
  "{dead_letter_worker_publisher_confirm_timeout, 2000}"
]

/** The lines of an advanced.config. */
export const advanced: ReadonlyArray<string> = [`[{rabbit, [${hasty.join(", ")}]}].`]

const discovery = (names: ReadonlyArray<string>): ReadonlyArray<string> => [
  "cluster_formation.peer_discovery_backend = classic_config",
  ...names.map((name, i) => `cluster_formation.classic_config.nodes.${i + 1} = ${name}`),
  "cluster_partition_handling = pause_minority"
]

/** The lines of a rabbitmq.conf for nodes of these names, which find each other where there are several. */
export const lines = (names: ReadonlyArray<string>, more: ReadonlyArray<string> = []): ReadonlyArray<string> => [
  "disk_free_limit.absolute = 50MB",
  // The log of quorum queues stays in memory until it has 512 MB. A node that stops all publishers before never gets there.
  "vm_memory_high_watermark.absolute = 4GB",
  ...more,
  ...(names.length === 1 ? [] : discovery(names))
]

/** Several nodes share a machine with the tests, and a neighbour that is gone is missed within seconds. */
export const erlangArguments = "-kernel net_ticktime 5 +S 1:1 +sbwt none"
