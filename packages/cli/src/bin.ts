#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Cli from "./Cli.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Output from "./Output.ts"

Cli.main.pipe(
  Effect.provide([NodeServices.layer, Output.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: ExitCode.teardown })
)
