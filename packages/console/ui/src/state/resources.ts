/** What the server has, as atoms. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Atom from "effect/reactivity/Atom"
import type { Selection } from "../../../src/ConsoleJob.ts"
import type { Filter } from "../deadletters/filter.ts"
import { registry } from "./atoms.ts"
import { Client, runtime } from "./client.ts"

const lasting = Atom.setIdleTTL(Duration.minutes(5))

export const session = Atom.keepAlive(runtime.atom(Client.use((client) => client.bus.session())))

export const queue = Atom.family((name: string) =>
  runtime.atom(Client.use((client) => client.bus.queue({ params: { queue: name } })))
)

const forced = new Set<string>()

/** The look at the dead letters of a queue: the one that the server keeps, or a new one. */
export const look = Atom.family((name: string) =>
  lasting(
    runtime.atom(
      Client.use((client) => {
        const again = forced.delete(name)
        return client.deadLetters.look({ params: { queue: name }, payload: again ? { again } : {} })
      })
    )
  )
)

/** Looks at the dead letters of a queue again. */
export const lookAgain = (name: string): void => {
  forced.add(name)
  registry.refresh(look(name))
}

/** The number of dead letters that are asked for at once. */
export const pageSize = 200

export interface PageKey {
  readonly snapshot: string
  readonly filter: Filter
  readonly order: "oldest" | "newest"
  readonly page: number
}

const pageByKey = Atom.family((text: string) => {
  const { filter, order, page, snapshot }: PageKey = JSON.parse(text)
  return lasting(
    runtime.atom(
      Client.use((client) =>
        client.deadLetters.page({
          params: { id: snapshot },
          query: { ...filter, order, offset: page * pageSize, limit: pageSize }
        })
      )
    )
  )
})

/** A page of the dead letters of a look. */
export const page = (key: PageKey) => pageByKey(JSON.stringify(key))

const deadLetterByKey = Atom.family((text: string) => {
  const [snapshot = "", letter = ""]: ReadonlyArray<string> = JSON.parse(text)
  return lasting(
    runtime.atom(Client.use((client) => client.deadLetters.deadLetter({ params: { id: snapshot }, query: { letter } })))
  )
})

/** A dead letter of a look. */
export const deadLetter = (snapshot: string, id: string) => deadLetterByKey(JSON.stringify([snapshot, id]))

export const topology = lasting(runtime.atom(Client.use((client) => client.inspect.topology())))

export const explanation = Atom.family((key: string) =>
  lasting(runtime.atom(Client.use((client) => client.inspect.explain({ query: { key } }))))
)

export const contracts = lasting(runtime.atom(Client.use((client) => client.inspect.contracts())))

export const doctor = lasting(runtime.atom(Client.use((client) => client.inspect.doctor())))

export const outbox = runtime.atom(Client.use((client) => client.inspect.outbox()))

export const schedule = runtime.atom(Client.use((client) => client.inspect.schedule()))

/** Checks a payload before it is sent, once the typing rests. */
export const editCheck = Atom.family((text: string) => {
  const [name = "", snapshot = "", letter = "", payload = ""]: ReadonlyArray<string> = JSON.parse(text)
  return runtime.atom(
    Effect.delay(
      Client.use((client) =>
        client.jobs.checkEdit({ params: { queue: name }, payload: { snapshot, letter, payload } })
      ),
      Duration.millis(250)
    )
  )
})

/** The dead letters of an edit of many, and the new payload of one of them. */
export interface EditAllKey {
  readonly queue: string
  readonly selection: typeof Selection.Type
  readonly snapshot: string
  readonly letter: string
  readonly payload: string
}

const editAllByKey = Atom.family((text: string) => {
  const { queue, ...payload }: EditAllKey = JSON.parse(text)
  return runtime.atom(
    Effect.delay(
      Client.use((client) => client.jobs.checkEditAll({ params: { queue }, payload })),
      Duration.millis(250)
    )
  )
})

/** Checks what becomes of many dead letters, once the typing rests. */
export const editAllCheck = (key: EditAllKey) => editAllByKey(JSON.stringify(key))
