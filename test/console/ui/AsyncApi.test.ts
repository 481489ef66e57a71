import { AmqpOptions } from "@effect-eventbus/amqp"
import { AsyncApi, Contract } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { messageOf, schemaOf } from "../../../packages/console/ui/src/text/asyncApi.ts"
import * as bus from "../support/bus.ts"

describe("the contracts of the console's page", () => {
  it.effect("show the schema of a payload itself, not where the document has it", () =>
    Effect.gen(function* () {
      const contract = yield* Contract.fromExports({ ...bus }, { title: "agents", version: "1.0.0" })
      const document = yield* AsyncApi.make(contract, AmqpOptions.settings({}))
      const message = messageOf(document, bus.TaskSubmitted.name)
      assert.isDefined(message)
      assert.hasAllKeys(Object(schemaOf(document, message)).properties, ["task_id", "tool", "timeout_seconds"])
    })
  )

  it("are shown as they are where a reference leads nowhere", () => {
    const payload = { $ref: "#/components/schemas/nothing" }
    assert.deepStrictEqual(schemaOf({}, { payload: { properties: { payload } } }), payload)
    assert.isUndefined(messageOf({}, "task.submitted"))
  })
})
