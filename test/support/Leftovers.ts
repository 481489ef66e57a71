import { randomBytes } from "node:crypto"
import { connect } from "amqplib"

/** A name that no other test has on the shared broker. */
export const unique = (name: string): string => `${name}-${randomBytes(5).toString("hex")}`

/** Deletes what a test declared. Names that do not exist are no error. */
export const remove = async (
  url: string,
  names: { readonly queues?: Iterable<string> | undefined; readonly exchanges?: Iterable<string> | undefined }
): Promise<void> => {
  const model = await connect(url, { timeout: 60_000 })
  model.on("error", () => {})
  try {
    // Most of the names do not exist, and a channel asks for one at a time.
    const channels = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const channel = await model.createChannel()
        channel.on("error", () => {})
        return channel
      })
    )
    const queues = [...(names.queues ?? [])]
    await Promise.all(
      channels.map(async (channel) => {
        for (let queue = queues.pop(); queue !== undefined; queue = queues.pop()) await channel.deleteQueue(queue)
      })
    )
    for (const exchange of names.exchanges ?? []) await channels[0]?.deleteExchange(exchange)
  } finally {
    await model.close()
  }
}
