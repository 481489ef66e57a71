/**
 * Describes the machine and the versions of a measurement.
 *
 * @since 0.1.0
 */

import { execFileSync } from "node:child_process"
import * as os from "node:os"

/**
 * A machine, and what ran on it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Machine {
  readonly date: string
  readonly cpu: string
  readonly cpus: number
  readonly memoryGiB: number
  readonly system: string
  /** The load average of the minute before the start. Above 0 the machine was not quiet. */
  readonly load: number
  readonly node: string
  readonly rabbitmq: string | undefined
  readonly commit: string | undefined
}

const commit = (): string | undefined => {
  try {
    const cwd = import.meta.dirname
    return execFileSync("git", ["describe", "--always", "--dirty"], { cwd, encoding: "utf8", stdio: "pipe" }).trim()
  } catch {
    return undefined
  }
}

/**
 * Looks at this machine.
 *
 * @category constructors
 * @since 0.1.0
 */
export const look = (rabbitmq: string | undefined): Machine => ({
  date: new Date().toISOString().slice(0, 10),
  cpu: os.cpus()[0]?.model.trim() ?? "?",
  cpus: os.availableParallelism(),
  memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  system: `${os.type()} ${os.release()}`,
  load: Number(os.loadavg()[0]?.toFixed(1)),
  node: process.versions.node,
  rabbitmq,
  commit: commit()
})

/**
 * The machine in a line.
 *
 * @category formatting
 * @since 0.1.0
 */
export const line = ({ cpu, cpus, load, node, rabbitmq }: Machine): string =>
  [
    `${cpus} × ${cpu}`,
    `load ${load}`,
    `Node ${node}`,
    ...(rabbitmq === undefined ? [] : [`RabbitMQ ${rabbitmq}`])
  ].join(" · ")
