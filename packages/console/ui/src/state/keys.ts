/** The keys that the console knows. None of them acts on the broker without a dialog. */
import { useEffect, useRef, useSyncExternalStore } from "react"

/** Functions by the key that calls them. `g o` is two keys, one after the other. */
export type Keys = Readonly<Record<string, () => void>>

const stored = "eventbus-console-keys"
const layers: Array<{ current: Keys }> = []
const listeners = new Set<() => void>()
const readStored = (): boolean => {
  try {
    return localStorage.getItem(stored) !== "off"
  } catch {
    return true
  }
}
let enabled = readStored()

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))

const isInDialog = (): boolean => document.querySelector("[role=dialog], [role=alertdialog]") !== null

/** Enter and space belong to what has the focus. */
const isPressed = (key: string, target: EventTarget | null): boolean =>
  (key === "Enter" || key === " ") && target instanceof Element && target.closest("a, button, summary") !== null

let prefix: { readonly key: string; readonly at: number } | undefined

const find = (key: string): (() => void) | undefined => {
  for (const layer of layers.toReversed()) {
    const action = layer.current[key]
    if (action !== undefined) return action
  }
  return undefined
}

addEventListener("keydown", (event) => {
  if (!enabled || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
  if (isTyping(event.target) || isInDialog() || isPressed(event.key, event.target)) return
  const first = prefix !== undefined && event.timeStamp - prefix.at < 1500 ? `${prefix.key} ` : ""
  prefix = undefined
  const action = find(`${first}${event.key}`)
  if (action !== undefined) {
    event.preventDefault()
    action()
  } else if (event.key === "g") prefix = { key: "g", at: event.timeStamp }
})

/** Listens to keys for as long as the component is shown. A component that came later is asked first. */
export const useKeys = (keys: Keys): void => {
  const layer = useRef(keys)
  useEffect(() => {
    layer.current = keys
  })
  useEffect(() => {
    layers.push(layer)
    return () => {
      layers.splice(layers.indexOf(layer), 1)
    }
  }, [])
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Returns whether the keys are on. */
export const useKeysEnabled = (): boolean => useSyncExternalStore(subscribe, () => enabled)

/** Switches the keys on or off, and remembers it. */
export const setKeysEnabled = (value: boolean): void => {
  enabled = value
  try {
    localStorage.setItem(stored, value ? "on" : "off")
  } catch {
    // Without storage, it holds for this page.
  }
  for (const listener of listeners) listener()
}
