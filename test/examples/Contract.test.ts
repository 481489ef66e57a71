import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Compatibility, Contract, ContractLock } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { EventType } from "effect-eventbus"
import { OrderPlaced } from "../../packages/examples/src/Events.ts"
import * as Process from "../cli/Process.ts"
import { changes, type Options } from "../inspect/changes.ts"

const example = join(import.meta.dirname, "../../packages/examples")
const lockFile = join(example, "contract.lock.json")
const contract = Contract.load(join(example, "src/contract.ts"))

const withFolder = <A, E>(use: (folder: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "eventbus-test-"))),
    use,
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

const check = (module: string) => Process.run(["contract", "check", "--module", module, "--against", lockFile])

describe("The contract of the shop", () => {
  it.effect("is recorded, and its events are read in any order of deployments", () =>
    Effect.gen(function* () {
      const findings = yield* Compatibility.check(yield* contract, yield* ContractLock.read(lockFile), lockFile)
      assert.isAtLeast(findings.length, 5)
      for (const { first, isRecorded, type } of findings)
        assert.deepStrictEqual([first, isRecorded], ["any", true], type)
    })
  )

  it.live("fails a pull request that changes the event of an order, and names the workers that break", () =>
    withFolder((folder) =>
      Effect.promise(async () => {
        await cp(join(example, "src"), join(folder, "src"), { recursive: true })
        await cp(join(example, "package.json"), join(folder, "package.json"))
        await symlink(join(example, "node_modules"), join(folder, "node_modules"))
        const events = join(folder, "src/Events.ts")
        const before = await readFile(events, "utf8")
        await writeFile(events, before.replace("    address: Schema.String\n", "    address: Schema.Int\n"))
        const { code, stderr, stdout } = await check(join(folder, "src/contract.ts"))
        assert.strictEqual(code, 1, stderr)
        assert.include(
          stdout,
          'order.placed@1: "address" was string and became integer → billing cannot read version 1; ' +
            "bookkeeper cannot read version 1\n"
        )
        assert.match(stderr, /^eventbus: 1 event type of \d+ would make dead letters\n$/)
      })
    )
  )

  /** The shop with another form of the event that its workers read. */
  const changed = Effect.fnUntraced(function* (options: Options) {
    const shop = yield* contract
    const type = EventType.make(OrderPlaced.name, options)
    const subscriptions = shop.subscriptions.map((subscription) => ({
      ...subscription,
      events: subscription.events.map((event) => (event.name === type.name ? type : event))
    }))
    return { ...shop, eventTypes: [type], subscriptions }
  })

  for (const [kind, old, now, first] of changes(OrderPlaced.payload.fields)) {
    it.effect(`${kind}: ${first}`, () =>
      withFolder((folder) =>
        Effect.gen(function* () {
          const file = join(folder, "contract.lock.json")
          const lock = yield* ContractLock.record(ContractLock.empty, yield* changed(old), file)
          const [finding] = yield* Compatibility.check(yield* changed(now), lock, file)
          assert.isDefined(finding)
          const isBreaking = first === "producers" || first === "neither"
          assert.strictEqual(finding.first, first, JSON.stringify(finding))
          assert.strictEqual(Compatibility.isBreaking(finding), isBreaking)
          const workers = new Set(finding.breaks.map(({ consumer }) => consumer))
          assert.sameMembers([...workers], isBreaking ? ["billing", "bookkeeper"] : [])
        })
      )
    )
  }
})
