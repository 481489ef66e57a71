import { assert, beforeAll, describe, it } from "@effect/vitest"
import { connect } from "amqplib"
import { Effect } from "effect"
import * as OwnNode from "../amqp/support/OwnNode.ts"
import * as TcpServer from "../amqp/support/TcpServer.ts"
import { eventually } from "../support/eventually.ts"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const checksOf = ({ stdout }: Process.Ended) =>
  Process.objectsOf(stdout).map(({ advice, check, detail, status }) => ({
    advice,
    text: `${status} ${check}: ${detail}`
  }))

const textsOf = (ended: Process.Ended) => checksOf(ended).map(({ text }) => text)

const assertSays = (ended: Process.Ended, ...expected: ReadonlyArray<RegExp>) => {
  const texts = textsOf(ended)
  for (const text of expected)
    assert.isTrue(
      texts.some((each) => text.test(each)),
      `${text} in\n${texts.join("\n")}`
    )
}

describe("Doctor without a broker", () => {
  it("says that there is no connection, and what to do", async () => {
    const ended = await Process.run(["doctor", "--json"])
    assert.strictEqual(ended.code, 1)
    assert.strictEqual(ended.stderr, "eventbus: A check failed\n")
    assertSays(ended, /^fail connection: No connection to 127\.0\.0\.1:1/)
    assert.include(String(checksOf(ended)[0]?.advice), "RABBITMQ_HOST")
  })
})

describe.skipIf(!OwnNode.isPossible)("Doctor on a node of its own", () => {
  let management = 0
  const node = OwnNode.newNode(async () => {
    management = await Effect.runPromise(TcpServer.deadPort)
    const config = [`management.tcp.port = ${management}`, "management.tcp.ip = 127.0.0.1"]
    return { config, plugins: ["rabbitmq_management"] }
  })

  const run = (command: ReadonlyArray<string>, env: Process.Env = {}) =>
    Process.run([...command, ...Fixture.shop], { ...Process.at(node.url), ...env })
  const seeing = () => ({ RABBITMQ_MANAGEMENT_URL: `http://guest:guest@127.0.0.1:${management}` })
  const ctl = (...args: ReadonlyArray<string>) => Effect.runPromise(node.ctl(...args))
  const evaluate = (code: string) => ctl("eval", code)

  let before: Process.Ended
  beforeAll(async () => {
    before = await run(["doctor", "--json"])
    const applied = await run(["topology", "apply"])
    assert.strictEqual(applied.code, 0, applied.stderr)
  }, 300_000)

  it("takes what is not there yet for no failure", () => {
    assert.strictEqual(before.code, 0, before.stderr)
    assertSays(
      before,
      /^warn queue: shop\.billing is missing$/,
      /^skip permission: cannot be checked before the queue or exchange exists/
    )
    assert.notMatch(textsOf(before).join("\n"), /binding/)
  })

  it("says of each check how it went, and what to do where it is not well", async () => {
    const ended = await run(["doctor", "--json"], seeing())
    assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
    assertSays(
      ended,
      /^ok connection: 127\.0\.0\.1:\d+, virtual host "\/", as "guest"$/,
      /^(ok|warn) version: RabbitMQ \d/,
      /^ok feature flags: all \d+ /,
      /^ok memory: every node has room for the log of its quorum queues$/,
      /^ok alarms: none$/,
      /^ok clock: the broker's clock and this one agree within a second$/,
      /^ok dead letters: no queue has any$/,
      /^ok permission: publish events$/,
      /^ok permission: consume "shop\.billing"$/,
      /^ok queue: dlq\.shop\.billing$/,
      /^ok binding: dlq\.shop\.billing to agent_events_dlx by dlq\.shop\.billing$/
    )
    for (const { advice, text } of checksOf(ended))
      assert.strictEqual(advice === undefined, text.startsWith("ok"), text)
    assert.notInclude(await ctl("list_queues", "name"), "doctor")
  })

  it("warns of events that wait without a consumer", async () => {
    assertSays(await run(["doctor", "--json"]), /^ok backlog: every queue with events has a consumer$/)
    const model = await connect(node.url)
    const channel = await model.createConfirmChannel()
    channel.sendToQueue("shop.audit", Buffer.from("{}"))
    await channel.waitForConfirms()
    await model.close()
    try {
      const ended = await run(["doctor", "--json"])
      assert.strictEqual(ended.code, 0, ended.stderr)
      assertSays(ended, /^warn backlog: 1 event waits in "shop\.audit", which has no consumer$/)
    } finally {
      await ctl("purge_queue", "shop.audit")
    }
  })

  it("sees by the management API that a queue of dead letters is full", async () => {
    await ctl("set_policy", "short", "^dlq\\.shop\\.billing$", '{"max-length":1}', "--apply-to", "queues")
    const model = await connect(node.url)
    const channel = await model.createConfirmChannel()
    channel.sendToQueue("dlq.shop.billing", Buffer.from("{}"))
    await channel.waitForConfirms()
    await model.close()
    try {
      // RabbitMQ counts its messages every few seconds.
      let ended = before
      const isSeen = Effect.promise(async () => {
        ended = await run(["doctor", "--json"], seeing())
        return ended.code === 1
      })
      await Effect.runPromise(eventually("a failed check", isSeen, { state: () => ended.stdout }))
      assertSays(
        ended,
        /^fail limits: "dlq\.shop\.billing" is full with 1 message \(max-length 1\) and takes no more/,
        /^warn dead letters: 1 dead letter of "shop\.billing"$/
      )
      assertSays(await run(["doctor", "--json"]), /^skip limits: not available over AMQP$/)
    } finally {
      await ctl("clear_policy", "short")
      await ctl("purge_queue", "dlq.shop.billing")
    }
  })

  it("unbinds a queue from a pattern that it has, and says which ones it has", async () => {
    const unbind = (args: ReadonlyArray<string>, env: Process.Env = seeing()) =>
      Process.run(["queue", "unbind", ...args], { ...Process.at(node.url), ...env })
    const bindings = () => ctl("list_bindings", "destination_name", "routing_key")
    const model = await connect(node.url)
    await (await model.createChannel()).bindQueue("shop.audit", "agent_events", "old.pattern")
    await model.close()
    Process.assertFailed(await unbind(["shop.audit", "old.pattern"]), 2, "use --yes")
    Process.assertFailed(await unbind(["shop.audit", "old..pattern", "--yes"]), 2, "empty words")
    Process.assertFailed(await unbind(["shop.none", "old.pattern", "--yes"]), 1, 'There is no queue "shop.none"')
    const refused = await unbind(["shop.audit", "other.pattern", "--yes"])
    Process.assertFailed(refused, 1, '"shop.audit" is not bound to "agent_events" by "other.pattern"')
    assert.include(refused.stderr, '"old.pattern"')
    assert.include(await bindings(), "shop.audit\told.pattern")
    const ended = await unbind(["shop.audit", "old.pattern", "--yes"])
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.strictEqual(ended.stdout, "unbound  shop.audit  old.pattern\n")
    assert.strictEqual(ended.stderr, "")
    assert.notInclude(await bindings(), "old.pattern")
    const again = await unbind(["shop.audit", "old.pattern", "--yes", "--json"], {})
    assert.deepStrictEqual(Process.objectsOf(again.stdout), [
      { queue: "shop.audit", exchange: "agent_events", pattern: "old.pattern", unbound: true }
    ])
  })

  it("sees by the management API what is not bound, and what is bound and should not be", async () => {
    const change = (what: string, exchange: string, key: string) =>
      evaluate(
        `rabbit_binding:${what}({binding, rabbit_misc:r(<<"/">>, exchange, <<"${exchange}">>), <<"${key}">>, ` +
          `rabbit_misc:r(<<"/">>, queue, <<"dlq.shop.billing">>), []}, <<"test">>).`
      )
    await change("remove", "agent_events_dlx", "dlq.shop.billing")
    await change("add", "agent_events", "#")
    try {
      const doctor = await run(["doctor", "--json"], seeing())
      assert.strictEqual(doctor.code, 1)
      assertSays(
        doctor,
        /^fail binding: dlq\.shop\.billing to agent_events_dlx by dlq\.shop\.billing is missing, so dead letters/,
        /^warn binding: no subscription asks for dlq\.shop\.billing to agent_events by #$/
      )
      const verified = await run(["topology", "verify"], seeing())
      assert.strictEqual(verified.code, 1)
      assert.match(verified.stdout, /^missing +binding +dlq\.shop\.billing to agent_events_dlx by dlq\.shop\.billing$/m)
      assert.match(verified.stdout, /^unwanted +binding +dlq\.shop\.billing to agent_events by #$/m)
      assert.include(verified.stderr, "1 missing, 1 unwanted")
    } finally {
      await change("remove", "agent_events", "#")
    }
    const applied = await run(["topology", "apply", "--json"], seeing())
    const made = Process.objectsOf(applied.stdout).filter(({ state }) => state !== "there")
    assert.deepStrictEqual(made, [
      {
        kind: "binding",
        queue: "dlq.shop.billing",
        exchange: "agent_events_dlx",
        key: "dlq.shop.billing",
        ours: true,
        state: "made"
      }
    ])
    assert.strictEqual((await run(["topology", "verify"], seeing())).code, 0)
  }, 300_000)

  it("says what is wrong: a permission, a queue of dead letters that has gone", async () => {
    await ctl("add_user", "limited", "hush")
    await ctl("set_permissions", "limited", ".*", "^agent_events", ".*")
    await ctl("delete_queue", "dlq.shop.pager")
    const limited = new URL(node.url)
    limited.username = "limited"
    limited.password = "hush"
    const ended = await run(["doctor", "--json"], Process.at(limited.href))
    assert.strictEqual(ended.code, 1)
    assertSays(
      ended,
      /^ok permission: publish events$/,
      /^fail permission: bind "shop\.billing": denied to "limited"$/,
      /^fail queue: dlq\.shop\.pager is missing, so dead letters or retries are lost$/
    )
    const advice = checksOf(ended).map(({ advice }) => advice)
    assert.isTrue(advice.some((each) => String(each).includes('rabbitmqctl set_permissions -p "/" "limited"')))
  }, 300_000)

  it("says so when an alarm keeps the broker from taking publishes, in lines that fit a terminal", async () => {
    await ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try {
      const ended = await run(["doctor"], { RABBITMQ_CONNECTION_TIMEOUT: "5" })
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stdout, /^fail +alarms +RabbitMQ blocks publishers: low on memory\n +→ Free memory/m)
      const summary =
        /^eventbus: warn: RabbitMQ takes no publishes [^\n]+\n\d+ ok, \d+ warnings?, \d+ failed, \d+ skipped\neventbus: /
      assert.match(ended.stderr, summary)
    } finally {
      await ctl("set_vm_memory_high_watermark", "absolute", "4GB")
    }
  }, 300_000)
})
