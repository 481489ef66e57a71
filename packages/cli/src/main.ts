import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Cli from "./Cli.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Output from "./Output.ts"

// Node prints a warning in several lines. Its last one says what to do, such as to set "type": "module".
if (process.listenerCount("warning") > 0) {
  process.removeAllListeners("warning").on("warning", ({ message }) => {
    // The command reports the failure itself.
    if (message.startsWith("Failed to load the ES module")) return
    process.stderr.write(`eventbus: warn: ${Output.plain(message.split("\n").at(-1) ?? "")}\n`)
  })
}

Cli.main.pipe(
  Effect.provide([NodeServices.layer, Output.layer(process)]),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: ExitCode.teardown })
)
