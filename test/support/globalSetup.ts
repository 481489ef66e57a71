import type { TestProject } from "vitest/node"
import * as RabbitPackage from "./RabbitPackage.ts"
import * as TestBroker from "./TestBroker.ts"
import * as TestPostgres from "./TestPostgres.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The broker that the tests share, or null where there is none. */
    readonly rabbitUrl: string | null
    /** The PostgreSQL that the tests share, or null where there is none. */
    readonly postgresUrl: string | null
  }
}

const origins = {
  env: "of TEST_RABBITMQ_URL",
  docker: "in Docker",
  node: RabbitPackage.home === undefined ? "from this system's package" : "of TEST_RABBITMQ_HOME"
}

const startBroker = async (): Promise<TestBroker.TestBroker | undefined> => {
  const broker = await TestBroker.start()
  if (broker !== undefined) {
    console.log(`RabbitMQ ${broker.version} ${origins[broker.kind]}, at ${TestBroker.address(broker.url)}`)
    return broker
  }
  const advice = "`apt-get install rabbitmq-server`, start Docker, or set TEST_RABBITMQ_URL"
  if (process.env["EVENTBUS_REQUIRE_RABBITMQ"] === "1") throw new Error(`The tests need a RabbitMQ: ${advice}`)
  console.log(`No RabbitMQ, so its tests are skipped. To run them: ${advice}.`)
}

const startPostgres = async (): Promise<TestPostgres.TestPostgres | undefined> => {
  const postgres = await TestPostgres.start()
  if (postgres !== undefined) return postgres
  const advice = "`apt-get install postgresql`, start Docker, or set TEST_POSTGRES_URL"
  if (process.env["EVENTBUS_REQUIRE_POSTGRES"] === "1") throw new Error(`The tests need a PostgreSQL: ${advice}`)
  console.log(`No PostgreSQL, so its tests run on SQLite alone. To run them: ${advice}.`)
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const started = await Promise.allSettled([startBroker(), startPostgres()])
  const [broker, postgres] = started.map((each) => (each.status === "fulfilled" ? each.value : undefined))
  const stop = async () => void (await Promise.all([broker?.stop(), postgres?.stop()]))
  const failed = started.find(({ status }) => status === "rejected")
  if (failed?.status === "rejected") {
    await stop()
    throw failed.reason
  }
  project.provide("rabbitUrl", broker?.url ?? null)
  project.provide("postgresUrl", postgres?.url ?? null)
  return stop
}
