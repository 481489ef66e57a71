/**
 * `eventbus asyncapi`: prints a module's events and subscriptions as an AsyncAPI
 * document.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  module: Parameters.module,
  json: Parameters.json("Print the document as one line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const run = Effect.fnUntraced(function* ({ json, module }: Input) {
  const { AsyncApi, Contract } = yield* lazyImports.inspect
  const output = yield* Output
  const contract = yield* Contract.load(module)
  const document = yield* AsyncApi.make(contract, yield* Connection.settings(contract.options))
  yield* json ? output.json(document) : output.line(JSON.stringify(document, undefined, 2))
})

/**
 * @category commands
 * @since 0.1.0
 */
export const asyncapi = Command.make("asyncapi", flags, run).pipe(
  Command.withShortDescription("Print a module's events as an AsyncAPI document"),
  Command.withDescription(
    "Print a module's events as an AsyncAPI 3.0 document in JSON: its event types\n" +
      "  with the schemas of their messages, their routing keys, its queues, and the\n" +
      "  events that each queue receives. It needs no broker."
  ),
  Command.withExamples([{ command: "eventbus asyncapi --module ./subscriptions.ts > asyncapi.json" }])
)
