/** A dead letter by its id alone, from the look that the server keeps. */
import * as Effect from "effect/Effect"
import * as Atom from "effect/reactivity/Atom"
import { Client, runtime } from "../state/client.ts"

const byKey = Atom.family((text: string) => {
  const [queue = "", letter = ""]: ReadonlyArray<string> = JSON.parse(text)
  return runtime.atom(
    Client.use((client) =>
      client.deadLetters
        .look({ params: { queue }, payload: {} })
        .pipe(Effect.flatMap(({ id }) => client.deadLetters.deadLetter({ params: { id }, query: { letter } })))
    )
  )
})

/** Looks, and returns the dead letter. */
export const letterOf = (queue: string, id: string) => byKey(JSON.stringify([queue, id]))
