import { afterAll, beforeAll } from "@effect/vitest"
import { Effect } from "effect"
import { RabbitNode } from "../../support/RabbitNode.ts"

/** Whether this system can run nodes of the tests' own. */
export const isPossible = RabbitNode.find() !== undefined

/** A node that the tests of this `describe` may break. */
export interface OwnNode {
  readonly url: string
  readonly port: number
  readonly ctl: (...args: ReadonlyArray<string>) => Effect.Effect<string>
  readonly kill: Effect.Effect<void>
  readonly restart: Effect.Effect<void>
}

export const ownNode = (
  config: () => Promise<ReadonlyArray<string>> = async () => [],
  plugins: ReadonlyArray<string> = []
): OwnNode => {
  let node: RabbitNode | undefined
  const running = (): RabbitNode => {
    if (node === undefined) throw new Error("The node has not been started yet")
    return node
  }
  beforeAll(async () => {
    node = await RabbitNode.start({ config: await config(), plugins })
  }, 90_000)
  afterAll(() => node?.stop())
  return {
    get url() {
      return running().url
    },
    get port() {
      return running().port
    },
    ctl: (...args) => Effect.promise(() => running().ctl(...args)),
    kill: Effect.promise(() => running().kill()),
    restart: Effect.promise(() => running().restart())
  }
}
