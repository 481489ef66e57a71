/**
 * `eventbus asyncapi`: writes what a module says of its events as an AsyncAPI
 * document.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  module: Parameters.module,
  json: Parameters.json("The document as one line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const run = Effect.fnUntraced(function* ({ json, module }: Input) {
  const [Contract, AsyncApi] = yield* Effect.promise(() =>
    Promise.all([import("../Contract.ts"), import("../AsyncApi.ts")])
  )
  const output = yield* Output
  const contract = yield* Contract.load(module)
  const document = AsyncApi.make(contract, yield* Connection.settings(contract.options))
  yield* json ? output.json(document) : output.line(JSON.stringify(document, undefined, 2))
})

/**
 * @category commands
 * @since 0.1.0
 */
export const asyncapi = Command.make("asyncapi", flags, run).pipe(
  Command.withShortDescription("Write a module's events as an AsyncAPI document"),
  Command.withDescription(
    "Write what a module says of its events as an AsyncAPI 3.0 document, in JSON:\n" +
      "  its event types with their payloads' schemas in the envelope of the wire,\n" +
      "  their routing keys, its queues, and who receives what. It needs no broker."
  ),
  Command.withExamples([{ command: "eventbus asyncapi --module ./subscriptions.ts > asyncapi.json" }])
)
