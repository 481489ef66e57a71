import { Writable } from "node:stream"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, ConfigProvider, Console, Effect, Exit, Layer, Metric, Stdio, Stream } from "effect"
import * as Cli from "../../packages/cli/src/Cli.ts"
import { ExitCode } from "../../packages/cli/src/ExitCode.ts"
import * as Output from "../../packages/cli/src/Output.ts"
import type { Ended, Env } from "./Process.ts"

const codeOf = (exit: Exit.Exit<void, ExitCode>): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Cause.squash(exit.cause)
  return error instanceof ExitCode ? error.code : 1
}

/** Runs the command in this process: to start another takes longer than most commands do. */
export const run = async (args: ReadonlyArray<string>, env: Env, input?: string): Promise<Ended> => {
  const said = { stdout: "", stderr: "" }
  const stream = (name: keyof typeof said) =>
    new Writable({
      decodeStrings: false,
      write: (text: string, _, done) => {
        said[name] += text
        done()
      }
    })
  const stdio = Stdio.layerTest({
    args: Effect.succeed(args),
    stdin: input === undefined ? Stream.empty : Stream.succeed(new TextEncoder().encode(input))
  })
  const say = (name: keyof typeof said) => (text: unknown) => void (said[name] += `${String(text)}\n`)
  const services = Layer.mergeAll(
    Layer.provideMerge(stdio, NodeServices.layer),
    Output.layer({ stdout: stream("stdout"), stderr: stream("stderr") }),
    ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
  )
  const exit = await Cli.main.pipe(
    Effect.provide(services),
    Effect.provideService(Console.Console, { ...console, log: say("stdout"), error: say("stderr") }),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.runPromiseExit
  )
  return { code: codeOf(exit), ...said }
}
