/** The time, for ages that grow while a page is looked at. */
import { useSyncExternalStore } from "react"

const listeners = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

const tick = () => {
  now = Date.now()
  for (const listener of listeners) listener()
}

const arrange = () => {
  const isNeeded = listeners.size > 0 && !document.hidden
  if (isNeeded && timer === undefined) {
    tick()
    timer = setInterval(tick, 1000)
  } else if (!isNeeded && timer !== undefined) {
    clearInterval(timer)
    timer = undefined
  }
}
document.addEventListener("visibilitychange", arrange)

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  arrange()
  return () => {
    listeners.delete(listener)
    arrange()
  }
}

/**
 * Returns what a function makes of the time in milliseconds. It is asked once a second, and the component is drawn again
 * only when the answer is another one. A hidden page has no timer.
 */
export const useTimed = <A extends string | boolean | undefined>(of: (now: number) => A): A =>
  useSyncExternalStore(subscribe, () => of(now))
