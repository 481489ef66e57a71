import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Contract, ContractLock } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { EventType } from "effect-eventbus"
import { OrderPlaced } from "../../packages/examples/src/Events.ts"
import * as Process from "../cli/Process.ts"
import { changes } from "../inspect/changes.ts"

const module = join(import.meta.dirname, "fixtures/changed.ts")

const shop = join(import.meta.dirname, "../../packages/examples/src/contract.ts")

/** One of each form of the output. `Contract.test.ts` has all kinds, in this process. */
const kinds = new Map([
  ["a required field added", { change: '"b" became required → ', reason: "" }],
  ["a type changed", { change: '"a" was string and became boolean → ', reason: "" }],
  ["a literal removed", { change: '"a" no longer accepts "y" → ', reason: "" }],
  ["a length bounded", { change: '"a" got the maxLength 3 → ', reason: "" }],
  ["a rule in code added", { change: "", reason: " (the schema of order.placed refuses payload.a)" }],
  ["a version without a step", { change: '"b" became required → ', reason: " (no step from 1)" }]
])

const advice = {
  producers: "deploy producers first, and consumers when nothing holds the old events",
  neither: "no order of deployments avoids dead letters"
}

const withFolder = <A, E>(use: (folder: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "eventbus-test-"))),
    use,
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

describe.concurrent("The command that checks the contract of the shop", () => {
  for (const [kind, { change, reason }] of kinds) {
    it.live(`exits with 1, and names the workers that break: ${kind}`, () =>
      withFolder((folder) =>
        Effect.gen(function* () {
          const found = changes(OrderPlaced.payload.fields).find(([name]) => name === kind)
          assert(found !== undefined)
          const [, old, now, first] = found
          assert(first === "producers" || first === "neither")
          const file = join(folder, "contract.lock.json")
          const before: Contract.Contract = {
            ...(yield* Contract.load(shop)),
            eventTypes: [EventType.make(OrderPlaced.name, old)]
          }
          yield* ContractLock.write(file, yield* ContractLock.record(ContractLock.empty, before, file))
          const { code, stderr, stdout } = yield* Effect.promise(
            () => Process.start(["contract", "check", "--module", module, "--against", file], { CHANGE: kind }).ended
          )
          assert.strictEqual(code, 1, stderr)
          const breaks = ["billing", "bookkeeper"]
            .map((worker) => `${worker} cannot read version 1${reason}`)
            .join("; ")
          const line = `order.placed@${now.version ?? 1}: ${change}${breaks}\n  ${advice[first]}\n`
          assert.isTrue(`\n${stdout}`.includes(`\n${line}`), stdout)
          assert.match(stderr, /^eventbus: 1 event type of \d+ would make dead letters\n$/)
        })
      )
    )
  }
})
