/** The counts of the last minutes, as far as this page has heard them. The broker keeps none. */
import * as Atom from "effect/reactivity/Atom"
import type { Pulse } from "../../../src/ConsoleModel.ts"
import { registry } from "./atoms.ts"

/** The counts of a queue at a time. */
export interface Moment {
  readonly at: number
  readonly waiting: number
  readonly deadLetters: number | undefined
}

/** Ten minutes of a pulse every two seconds. */
export const maxMoments = 300

type History = ReadonlyMap<string, ReadonlyArray<Moment>>

export const history = Atom.keepAlive(Atom.make<History>(new Map()))

/** Adds the counts of a pulse, unless they are those of the pulse before, which the broker did not answer. */
export const added = (before: History, { at, queues }: typeof Pulse.Type): History =>
  new Map(
    queues.map(({ deadLetters, messages, name }) => {
      const moments = before.get(name) ?? []
      return moments.at(-1)?.at === at
        ? [name, moments]
        : [name, [...moments, { at, waiting: messages, deadLetters }].slice(-maxMoments)]
    })
  )

export const remember = (pulse: typeof Pulse.Type): void => registry.set(history, added(registry.get(history), pulse))
