import { connect } from "amqplib"
import { within } from "./Deadline.ts"

/** The version of the broker at a URL, from a connection made for it: so also a proof that it can be used. */
export const brokerVersion = async (url: string, timeout: number): Promise<string> => {
  const model = await within(timeout, "Connecting", connect(url, { timeout }))
  model.on("error", () => {})
  const { version } = model.connection.serverProperties
  await within(timeout, "Closing the connection", model.close())
  return version
}
