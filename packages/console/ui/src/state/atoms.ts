/** Binds Effect's atoms to React. */
import type * as Atom from "effect/reactivity/Atom"
import * as AtomRegistry from "effect/reactivity/AtomRegistry"
import { useCallback, useMemo, useSyncExternalStore } from "react"

export const registry = AtomRegistry.make()

/** Returns the value of an atom, and draws again when it changes. */
export const useAtom = <A>(atom: Atom.Atom<A>): A => {
  const store = useMemo(
    () => ({
      subscribe: (onChange: () => void) => registry.subscribe(atom, onChange),
      get: () => registry.get(atom)
    }),
    [atom]
  )
  return useSyncExternalStore(store.subscribe, store.get)
}

/** Returns a part of the value of an atom, and draws again when that part changes. */
export const usePart = <A, B extends string | number | boolean | undefined>(
  atom: Atom.Atom<A>,
  part: (value: A) => B
): B => {
  const subscribe = useCallback((onChange: () => void) => registry.subscribe(atom, onChange), [atom])
  return useSyncExternalStore(subscribe, () => part(registry.get(atom)))
}

/** Returns a function that computes an atom again. */
export const useRefresh = (atom: Atom.Atom<unknown>): (() => void) => useCallback(() => registry.refresh(atom), [atom])
