import type { TestProject } from "vitest/node"
import * as RabbitPackage from "./RabbitPackage.ts"
import * as TestBroker from "./TestBroker.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The broker that the tests share, or null where there is none. */
    readonly rabbitUrl: string | null
  }
}

const origins = {
  env: "of TEST_RABBITMQ_URL",
  docker: "in Docker",
  node: RabbitPackage.home === undefined ? "from this system's package" : "of TEST_RABBITMQ_HOME"
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const broker = await TestBroker.start()
  project.provide("rabbitUrl", broker?.url ?? null)
  if (broker !== undefined) {
    console.log(`RabbitMQ ${broker.version} ${origins[broker.kind]}, at ${TestBroker.address(broker.url)}`)
    return broker.stop
  }
  const advice = "`apt-get install rabbitmq-server`, start Docker, or set TEST_RABBITMQ_URL"
  if (process.env["EVENTBUS_REQUIRE_RABBITMQ"] === "1") throw new Error(`The tests need a RabbitMQ: ${advice}`)
  console.log(`No RabbitMQ, so its tests are skipped. To run them: ${advice}.`)
  return async () => {}
}
