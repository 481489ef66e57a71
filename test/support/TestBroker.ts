import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { brokerVersion } from "./BrokerVersion.ts"
import { retryFor, within } from "./Deadline.ts"
import { RabbitNode } from "./RabbitNode.ts"
import * as RabbitPackage from "./RabbitPackage.ts"

/** The RabbitMQ that one run of the tests shares. */
export interface TestBroker {
  readonly url: string
  readonly kind: "env" | "docker" | "node"
  readonly version: string
  readonly stop: () => Promise<void>
}

const image = process.env["TEST_RABBITMQ_IMAGE"] || "rabbitmq:4.3-alpine"

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The address in a URL, which may also hold a password. */
export const address = (url: string): string => (URL.canParse(url) ? new URL(url).host : "an invalid URL")

const fromUrl = async (url: string): Promise<TestBroker> => {
  try {
    const version = await retryFor(10_000, () => brokerVersion(url, 5_000))
    return { url, kind: "env", version, stop: async () => {} }
  } catch (error) {
    const message = `The RabbitMQ that TEST_RABBITMQ_URL names, ${address(url)}, cannot be used: ${reason(error)}`
    throw new Error(message, { cause: error })
  }
}

const startContainer = async (): Promise<TestBroker> => {
  const { RabbitMQContainer } = await import("@testcontainers/rabbitmq")
  const starting = new RabbitMQContainer(image).start()
  try {
    // The image may have to be fetched first.
    const container = await within(180_000, `Starting ${image}`, starting)
    const url = `amqp://guest:guest@${container.getHost()}:${container.getMappedPort(5672)}`
    const version = await retryFor(10_000, () => brokerVersion(url, 5_000))
    return { url, kind: "docker", version, stop: async () => void (await container.stop()) }
  } catch (error) {
    void starting.then((container) => container.stop()).catch(() => {})
    throw error
  }
}

// In a process of its own: an engine that hangs would keep this one from ending.
export const hasDocker = (): Promise<boolean> => {
  const code = 'await (await import("testcontainers")).getContainerRuntimeClient()'
  const options = { cwd: import.meta.dirname, timeout: 5_000, killSignal: "SIGKILL" } as const
  return promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], options).then(
    () => true,
    () => false
  )
}

const fromDocker = async (): Promise<TestBroker | undefined> => {
  if (!(await hasDocker())) return undefined
  try {
    return await startContainer()
  } catch (error) {
    console.warn(`Docker is there, but not for RabbitMQ: ${reason(error)}`)
    return undefined
  }
}

const fromPackage = async (): Promise<TestBroker | undefined> => {
  if (RabbitNode.find() === undefined) return undefined
  const node = await RabbitNode.start()
  return { url: node.url, kind: "node", version: node.version, stop: () => node.stop() }
}

/**
 * A broker of `TEST_RABBITMQ_HOME`, else the one that `TEST_RABBITMQ_URL` names, else one of its own: in Docker, or from the
 * system's RabbitMQ package.
 */
export const start = async (): Promise<TestBroker | undefined> => {
  if (RabbitPackage.home !== undefined) return fromPackage()
  const url = process.env["TEST_RABBITMQ_URL"]
  return url ? fromUrl(url) : ((await fromDocker()) ?? (await fromPackage()))
}
