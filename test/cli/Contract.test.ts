import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DeadLetter } from "effect-eventbus"
import { envelope } from "../eventbus/BareBroker.ts"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

let folder = ""

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "eventbus-test-"))
  await contract("record", "first", "contract.lock.json")
})

afterAll(() => rm(folder, { recursive: true }))

const contract = (verb: string, form: string, lock: string, ...args: ReadonlyArray<string>) =>
  Process.run(["contract", verb, ...Fixture.module("orders"), "--against", join(folder, lock), ...args], {
    ORDERS: form
  })

const deadLetter = (version: number, payload: object) =>
  JSON.stringify(
    DeadLetter.toJson(
      DeadLetter.fromEnvelope(
        envelope(
          JSON.stringify({
            event_id: "00000000-0000-4000-8000-000000000000",
            event_type: "order.placed",
            timestamp: "2026-01-01T00:00:00Z",
            payload
          }),
          {
            id: "00000000-0000-4000-8000-000000000000",
            type: "order.placed",
            version,
            routingKey: "order.placed.normal"
          }
        )
      )
    )
  )

describe.concurrent("eventbus contract", () => {
  it("exits with 1 on a breaking change, and names the consumers that it breaks, without a broker", async () => {
    const { code, stderr, stdout } = await contract("check", "broken", "contract.lock.json")
    assert.strictEqual(code, 1, stderr)
    assert.strictEqual(
      stdout,
      'order.placed@2: "currency" became required → billing cannot read version 1 (no step from 1); audit can\n' +
        "  no order of deployments avoids dead letters\n"
    )
    assert.strictEqual(stderr, "eventbus: 1 event type of 1 would make dead letters\n")
  })

  it("says which side to deploy first, and exits with 0 if all versions are read", async () => {
    const mended = await contract("check", "mended", "contract.lock.json")
    assert.strictEqual(mended.stdout, "order.placed@2: compatible, deploy consumers first; not recorded yet\n")
    assert.strictEqual(mended.code, 0, mended.stderr)
    const same = await contract("check", "first", "contract.lock.json")
    assert.strictEqual(same.stdout, "order.placed@1: compatible, deploy in any order\n")
  })

  it("prints the same as JSON", async () => {
    const { code, stdout } = await contract("check", "broken", "contract.lock.json", "--json")
    assert.strictEqual(code, 1)
    assert.deepStrictEqual(Process.objectsOf(stdout), [
      {
        type: "order.placed",
        version: 2,
        recorded: false,
        changes: ['"currency" became required'],
        breaks: [{ consumer: "billing", version: 1, reason: "no step from 1" }],
        readers: ["audit"],
        untried: [],
        first: "neither"
      }
    ])
  })

  it("records a version once, and keeps the earlier ones", async () => {
    const recorded = async (form: string) =>
      Process.objectsOf((await contract("record", form, "again/contract.lock.json", "--json")).stdout)
    assert.deepStrictEqual(await recorded("first"), [{ recorded: 1, versions: 1, dead_letters: 0 }])
    assert.deepStrictEqual(await recorded("mended"), [{ recorded: 1, versions: 2, dead_letters: 0 }])
    assert.deepStrictEqual(await recorded("mended"), [{ recorded: 0, versions: 2, dead_letters: 0 }])
  })

  it("adds the payloads of dead letters that the module reads to the corpus", async () => {
    const file = join(folder, "dead-letters.ndjson")
    await writeFile(file, [deadLetter(1, { id: "o-1" }), deadLetter(1, { id: 1 }), ""].join("\n"))
    const { stderr, stdout } = await contract("record", "first", "dead/contract.lock.json", "--dead-letters", file)
    assert.include(stdout, "1 payload of 2 dead letters added\n", stderr)
    const files = await readdir(join(folder, "dead/corpus/order.placed@1"))
    assert.strictEqual(files.filter((name) => name.endsWith(".json")).length, 1)
  })

  it("exits with 2 without a lock file, and with 1 where a line is no dead letter", async () => {
    const none = await contract("check", "first", "none.json")
    Process.assertFailed(none, 2, "there is no such file: create it with eventbus contract record")
    const file = join(folder, "wrong.ndjson")
    await writeFile(file, "{}\n")
    const wrong = await contract("record", "first", "wrong/contract.lock.json", "--dead-letters", file)
    assert.strictEqual(wrong.code, 1)
    assert.include(wrong.stderr, "Line 1 of")
  })
})
