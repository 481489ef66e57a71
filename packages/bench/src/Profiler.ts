/**
 * The CPU profile of a part of a process's life.
 *
 * @since 0.1.0
 */

import { writeFileSync } from "node:fs"
import { Session } from "node:inspector/promises"

/**
 * A profiler that is running.
 *
 * @category models
 * @since 0.1.0
 */
export interface Profiler {
  /** Ends it, and writes a file that Chrome's and other tools read. */
  readonly write: (file: string) => Promise<void>
}

/**
 * Makes a profiler and starts it when it is told to, at once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const prepare = async (): Promise<{ readonly start: () => Profiler }> => {
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 200 })
  return {
    start: () => {
      // The inspector answers on this thread: it has started when `post` returns.
      void session.post("Profiler.start")
      return {
        write: async (file) => {
          const { profile } = await session.post("Profiler.stop")
          writeFileSync(file, JSON.stringify(profile))
          session.disconnect()
        }
      }
    }
  }
}
