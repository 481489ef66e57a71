/** The address of the page, which is the whole of its state. */
import { useSyncExternalStore } from "react"
import { type Page, pageOf, pathOf, type Query, searchOf } from "./route.ts"

/** A page with its parameters. */
export interface Place {
  readonly page: Page
  readonly query: URLSearchParams
}

const base = new URL(".", document.baseURI).pathname

/** Returns the address of a page. */
export const href = (page: Page, query: Query = {}): string => `${base}${pathOf(page)}${searchOf(query)}`

const read = (): Place => ({
  page: pageOf(location.pathname.startsWith(base) ? location.pathname.slice(base.length) : location.pathname),
  query: new URLSearchParams(location.search)
})

let place = read()
const listeners = new Set<() => void>()
const update = () => {
  place = read()
  for (const listener of listeners) listener()
}
addEventListener("popstate", update)

/** Goes to a page. */
export const go = (page: Page, query: Query = {}): void => {
  const address = href(page, query)
  if (address === `${location.pathname}${location.search}`) return
  history.pushState(null, "", address)
  update()
  if (query["letter"] === undefined) scrollTo(0, 0)
}

/** Changes parameters of the address. A step back returns to the page before, not to each change. */
export const setQuery = (changes: Query): void => {
  const query: Record<string, string | undefined> = { ...Object.fromEntries(place.query), ...changes }
  history.replaceState(null, "", href(place.page, query))
  update()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
const current = () => place

/** Returns the address of the page, and draws again when it changes. */
export const usePlace = (): Place => useSyncExternalStore(subscribe, current)
