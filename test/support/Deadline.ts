import { setTimeout as sleep } from "node:timers/promises"

/** Returns the result of a promise, or fails when it takes too long. */
export const within = async <A>(milliseconds: number, what: string, promise: Promise<A>): Promise<A> => {
  const timer = new AbortController()
  const late = sleep(milliseconds, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what} took longer than ${milliseconds / 1000} s`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
  }
}

/** Repeats an attempt until it succeeds. When the time is over it fails with the last error. */
export const retryFor = async <A>(milliseconds: number, attempt: () => Promise<A>): Promise<A> => {
  const end = Date.now() + milliseconds
  while (true) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() >= end) throw error
    }
    await sleep(25)
  }
}
