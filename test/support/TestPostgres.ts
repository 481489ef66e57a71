import * as PostgresNode from "./PostgresNode.ts"
import { address, hasDocker } from "./TestBroker.ts"

/** The PostgreSQL that one run of the tests shares. */
export interface TestPostgres {
  readonly url: string
  readonly kind: "env" | "docker" | "node"
  readonly stop: () => Promise<void>
}

const image = process.env["TEST_POSTGRES_IMAGE"] || "postgres:17-alpine"

const fromDocker = async (): Promise<TestPostgres | undefined> => {
  if (!(await hasDocker())) return undefined
  try {
    const { GenericContainer, Wait } = await import("testcontainers")
    const container = await new GenericContainer(image)
      .withEnvironment({ POSTGRES_HOST_AUTH_METHOD: "trust" })
      .withExposedPorts(5432)
      .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
      .start()
    const url = `postgres://postgres@${container.getHost()}:${container.getMappedPort(5432)}/postgres`
    return { url, kind: "docker", stop: async () => void (await container.stop()) }
  } catch (error) {
    console.warn(`Docker is there, but not for PostgreSQL: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

const fromPackage = async (): Promise<TestPostgres | undefined> => {
  if (PostgresNode.find() === undefined) return undefined
  const node = await PostgresNode.start()
  return { url: node.url, kind: "node", stop: node.stop }
}

/** The database that `TEST_POSTGRES_URL` names, else one of its own: in Docker, or from the system's package. */
export const start = async (): Promise<TestPostgres | undefined> => {
  const url = process.env["TEST_POSTGRES_URL"]
  if (url) return { url, kind: "env", stop: async () => {} }
  return (await fromDocker()) ?? (await fromPackage())
}

export { address }
