import { afterAll, beforeAll } from "@effect/vitest"
import { Effect } from "effect"
import { RabbitNode, type RabbitNodeOptions } from "../../support/RabbitNode.ts"

/** Whether this system can run nodes of the tests' own. */
export const isPossible = RabbitNode.find() !== undefined

/** A node that the tests of this `describe` may break. */
export interface OwnNode {
  readonly url: string
  readonly port: number
  /** Does what `rabbitmqctl` does. */
  readonly ctl: (...args: ReadonlyArray<string>) => Effect.Effect<string>
  readonly kill: Effect.Effect<void>
  readonly restart: Effect.Effect<void>
}

/** Makes a node of what starts before the tests of a `describe`, and ends after them. */
const during = (start: () => Promise<RabbitNode>, end: (node: RabbitNode) => Promise<void>): OwnNode => {
  let node: RabbitNode | undefined
  const running = (): RabbitNode => {
    if (node === undefined) throw new Error("The node has not been started yet")
    return node
  }
  beforeAll(async () => {
    node = await start()
  }, 300_000)
  afterAll(() => (node === undefined ? undefined : end(node)))
  return {
    get url() {
      return running().url
    },
    get port() {
      return running().port
    },
    ctl: (...args) => Effect.promise(() => running().command(...args)),
    kill: Effect.promise(() => running().kill()),
    restart: Effect.promise(() => running().restart())
  }
}

/** Starts a node for one `describe` alone, with lines for its rabbitmq.conf and plugins. */
export const newNode = (options: () => Promise<RabbitNodeOptions>): OwnNode =>
  during(
    async () => RabbitNode.start(await options()),
    (node) => node.stop()
  )

/** The settings of the application `rabbit` that tests change, with their defaults. */
const defaults = { channel_max: 2047, consumer_timeout: 1_800_000, frame_max: 131_072 }

type Settings = Partial<typeof defaults>

/** Makes a node as it was at its start, whatever the tests before have left. */
const reset = async (node: RabbitNode, settings: Settings): Promise<void> => {
  if (!node.isRunning) await node.restart()
  await node.command("set_vm_memory_high_watermark", "absolute", "4GB")
  const users = "[Name || User <- rabbit_auth_backend_internal:list_users(), {user, Name} <- User]"
  const set = Object.entries({ ...defaults, ...settings }).map(
    ([name, value]) => `application:set_env(rabbit, ${name}, ${value})`
  )
  const remove = [
    '[rabbit_vhost:delete(Name, <<"tests">>) || Name <- rabbit_vhost:list_names()]',
    `[rabbit_auth_backend_internal:delete_user(Name, <<"tests">>) || Name <- ${users}, Name =/= <<"guest">>]`
  ]
  await node.command("eval", `${[...set, ...remove].join(", ")}.`)
  await node.command("add_vhost", "/")
  await node.command("set_permissions", "guest", ".*", ".*", ".*")
}

/** The node of this process, which runs one file of tests at a time. It ends with the process. */
let shared: Promise<RabbitNode> | undefined

/** A node that is as new, for one `describe` at a time: to start another for each would take longer than their tests. */
export const ownNode = (settings: Settings = {}): OwnNode =>
  during(
    async () => {
      shared ??= RabbitNode.start()
      const node = await shared.catch((error: unknown) => {
        shared = undefined
        throw error
      })
      await reset(node, settings)
      return node
    },
    async () => {}
  )
