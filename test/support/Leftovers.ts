import { randomBytes } from "node:crypto"
import { connect } from "amqplib"

/** A name that no other test has on the shared broker. */
export const unique = (name: string): string => `${name}-${randomBytes(5).toString("hex")}`

/** Deletes what a test declared. Names that do not exist are no error. */
export const remove = async (
  url: string,
  names: { readonly queues?: Iterable<string> | undefined; readonly exchanges?: Iterable<string> | undefined }
): Promise<void> => {
  const model = await connect(url, { timeout: 5_000 })
  model.on("error", () => {})
  try {
    const channel = await model.createChannel()
    channel.on("error", () => {})
    for (const queue of names.queues ?? []) await channel.deleteQueue(queue)
    for (const exchange of names.exchanges ?? []) await channel.deleteExchange(exchange)
  } finally {
    await model.close()
  }
}
