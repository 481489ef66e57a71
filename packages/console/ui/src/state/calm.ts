/** Text for screen readers, which must not change too often. */
import { useEffect, useRef, useState } from "react"

const restMillis = 2000

/** Returns a text that follows another one, but changes at most every two seconds. */
export const useCalm = (text: string): string => {
  const [calm, setCalm] = useState(text)
  const changedAt = useRef(0)
  useEffect(() => {
    if (text === calm) return
    const wait = Math.max(0, changedAt.current + restMillis - Date.now())
    const timer = setTimeout(() => {
      changedAt.current = Date.now()
      setCalm(text)
    }, wait)
    return () => clearTimeout(timer)
  }, [text, calm])
  return calm
}
