import { connect } from "amqplib"
import type { Channel } from "amqplib"
import { Cause, Effect } from "effect"
import type { Scope } from "effect"
import { within } from "../../support/Deadline.ts"
import type { Journal } from "../ledger/Journal.ts"
import { url } from "./LabBroker.ts"

const patience = 10_000

export const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/** A channel of amqplib itself, straight to the broker. */
export const open = (port: number): Effect.Effect<Channel, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const model = await connect(url(port), { timeout: patience })
        model.on("error", () => {})
        const channel = await model.createChannel()
        channel.on("error", () => {})
        return { channel, model }
      }),
      ({ model }) => Effect.promise(() => within(2000, "closing", model.close()).catch(() => {}))
    ),
    ({ channel }) => channel
  )

/** Asks on a connection of its own, for an answer may be that the channel is closed. */
export const ask = <A>(port: number, f: (channel: Channel) => Promise<A>): Effect.Effect<A> =>
  Effect.scoped(
    Effect.flatMap(open(port), (channel) =>
      Effect.promise(() => within(patience, "an answer of the broker", f(channel)))
    )
  )

const header = (headers: unknown, key: string): unknown =>
  typeof headers === "object" && headers !== null ? Reflect.get(headers, key) : undefined

/** Takes everything out of queues, and enters it: dead letters as such, and what is elsewhere as left. */
export const drain = async (channel: Channel, queues: ReadonlyArray<string>, journal: Journal): Promise<number> => {
  let taken = 0
  for (const queue of queues) {
    for (;;) {
      const message = await within(patience, `a message of "${queue}"`, channel.get(queue, { noAck: true }))
      if (message === false) break
      taken += 1
      const { headers, messageId } = message.properties
      const id = typeof messageId === "string" ? messageId : "?"
      const [, work] = /^dlq\.(.*)$/.exec(queue) ?? []
      const reason = header(headers, "eb-reason") ?? "the broker's own"
      if (work !== undefined) journal.dead(id, work, String(reason))
      else journal.left(id, workOf(queue))
    }
  }
  return taken
}

/** The work queue that a wait queue belongs to. */
const workOf = (queue: string): string => /^wait\.(.*)\.\d+\.(?:quorum|classic)\.[^.]*$/.exec(queue)?.[1] ?? queue
