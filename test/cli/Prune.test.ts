import { assert, beforeAll, describe, it } from "@effect/vitest"
import { connect } from "amqplib"
import { Effect } from "effect"
import * as OwnNode from "../amqp/support/OwnNode.ts"
import * as TcpServer from "../amqp/support/TcpServer.ts"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const queuesOf = ({ stderr, stdout }: Process.Ended) => {
  assert.notInclude(stderr, "Unknown")
  return Process.objectsOf(stdout).map(({ kind, needed, queue, state }) => ({ kind, needed, queue, state }))
}

describe("topology prune without the management API", () => {
  it("says that it needs it", async () => {
    const ended = await Process.run(["topology", "prune", ...Fixture.shop])
    Process.assertFailed(ended, 2, "Set RABBITMQ_MANAGEMENT_URL: RabbitMQ does not list its queues over AMQP")
  })
})

describe.skipIf(!OwnNode.isPossible)("topology prune on a node of its own", () => {
  let management = 0
  const node = OwnNode.newNode(async () => {
    management = await Effect.runPromise(TcpServer.deadPort)
    const config = [`management.tcp.port = ${management}`, "management.tcp.ip = 127.0.0.1"]
    return { config, plugins: ["rabbitmq_management"] }
  })

  const run = (args: ReadonlyArray<string>, user = "guest") =>
    Process.run(args, {
      ...Process.at(node.url.replace("guest:guest", `${user}:guest`)),
      RABBITMQ_MANAGEMENT_URL: `http://guest:guest@127.0.0.1:${management}`
    })
  const prune = (...args: ReadonlyArray<string>) => run(["topology", "prune", ...Fixture.shop, ...args])
  const names = async () =>
    (await Effect.runPromise(node.ctl("list_queues", "name"))).split("\n").filter((name) => /[.]/.test(name))
  /** A binding that is made again may be listed at another place. */
  const bindings = async () =>
    (await Effect.runPromise(node.ctl("list_bindings", "source_name", "routing_key"))).split("\n").toSorted()

  beforeAll(async () => {
    // The queues of two versions of the shop, of which the module declares one, and a queue of no bus.
    for (const shop of ["shop", "old"]) {
      await Fixture.withShop(shop, async (module) => {
        const applied = await run(["topology", "apply", ...module])
        assert.strictEqual(applied.code, 0, applied.stderr)
      })
    }
    const model = await connect(node.url)
    const channel = await model.createConfirmChannel()
    await channel.assertQueue("others.queue")
    channel.sendToQueue("dlq.old.pager", Buffer.from("{}"))
    await channel.waitForConfirms()
    await model.close()
  }, 300_000)

  const idle = (queue: string, kind: string) => ({ queue, kind, state: "idle", needed: null })
  const old = [
    idle("old.audit", "queue"),
    idle("old.billing", "queue"),
    idle("dlq.old.billing", "dead letters"),
    { queue: "old.pager", kind: "queue", state: "kept", needed: '"dlq.old.pager" has 1 event' },
    { queue: "dlq.old.pager", kind: "dead letters", state: "kept", needed: "it has 1 event" },
    idle("old.reminders", "queue")
  ]

  it("shows the queues of the bus that the module does not declare, and why some have to stay", async () => {
    const before = await names()
    const ended = await prune("--json")
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.deepStrictEqual(queuesOf(ended), old)
    assert.strictEqual(ended.stderr, "Nothing was deleted. --delete would delete 4 queues.\n")
    const text = await prune("old.pager")
    assert.strictEqual(
      text.stdout,
      'kept     queue         old.pager\n                       "dlq.old.pager" has 1 event\n' +
        "kept     dead letters  dlq.old.pager\n                       it has 1 event\n"
    )
    assert.sameMembers(await names(), before)
  })

  it("asks before it deletes, and knows what it can delete", async () => {
    Process.assertFailed(await prune("--delete"), 2, "use --yes")
    Process.assertFailed(await prune("shop.billing", "--delete", "--yes"), 1, '"shop.billing"')
  })

  it("leaves a queue with its bindings when it may not be deleted", async () => {
    await Effect.runPromise(node.ctl("add_user", "reader", "guest"))
    await Effect.runPromise(node.ctl("set_permissions", "reader", "^$", ".*", ".*"))
    const before = await bindings()
    const ended = await run(["topology", "prune", ...Fixture.shop, "old.billing", "--delete", "--yes"], "reader")
    Process.assertFailed(ended, 1, 'eventbus: delete the queue "old.billing"')
    assert.deepStrictEqual(await bindings(), before)
  })

  it("deletes what is idle, and nothing else", async () => {
    const chosen = await prune("old.billing", "--delete", "--yes", "--json")
    assert.deepStrictEqual(
      queuesOf(chosen),
      old.slice(1, 3).map((queue) => ({ ...queue, state: "deleted" }))
    )
    assert.strictEqual(chosen.stderr, "2 queues deleted\n")
    const rest = await prune("--delete", "--yes")
    assert.strictEqual(rest.code, 0, rest.stderr)
    assert.match(rest.stdout, /^deleted +queue +old\.audit\ndeleted +queue +old\.reminders\n$/)
    const shop = ["shop.audit", "shop.billing", "dlq.shop.billing", "shop.pager", "dlq.shop.pager", "shop.reminders"]
    assert.sameMembers(await names(), [...shop, "old.pager", "dlq.old.pager", "others.queue"])
    assert.strictEqual((await prune("--delete", "--yes")).stderr, "Nothing was deleted: no queue is idle.\n")
  })
})
