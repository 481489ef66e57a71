/** Whether the window is too narrow for a table. */
import { useSyncExternalStore } from "react"

const media = matchMedia("(max-width: 46rem)")

const subscribe = (listener: () => void) => {
  media.addEventListener("change", listener)
  return () => media.removeEventListener("change", listener)
}

/** Returns whether rows take two lines. */
export const useNarrow = (): boolean => useSyncExternalStore(subscribe, () => media.matches)
