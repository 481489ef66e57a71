/**
 * `eventbus pause` and `eventbus resume`: pause and resume a subscription wherever it runs.
 *
 * @since 0.1.0
 */

import type { EventBus } from "effect-eventbus/EventBus"
import type { PublishError } from "effect-eventbus/PublishError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, plain } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"

const flags = {
  name: Argument.String("name").pipe(
    Argument.withDescription("The name of the subscription"),
    Argument.mapTryCatch(QueueSpec.checkQueue, Parameters.reason)
  ),
  by: Flag.String("by").pipe(
    Flag.withDescription("Your name, which health reports [command line]"),
    Flag.withMetavar("NAME"),
    Flag.withDefault("command line")
  ),
  json: Parameters.json("Print the result as a line of JSON")
}

const pauseFlags = {
  ...flags,
  time: Parameters.duration("for", "Time to pause [until it is resumed]").pipe(Flag.optional)
}

/** Explains a request that no process heard. */
const heard = (self: Effect.Effect<void, PublishError, EventBus>) =>
  Effect.catchIf(
    self,
    ({ reason }) => reason._tag === "Unroutable",
    () =>
      new CommandFailed({
        message: "No process listens: add Control.layer, or the routes of ControlRoutes, to those that run it"
      })
  )

const report = Effect.fnUntraced(function* (name: string, asked: string, json: boolean, details: string) {
  const output = yield* Output
  if (json) return yield* output.json({ queue: name, asked })
  yield* output.line(`${output.paint("green", "asked")}  ${plain(name)}  every process that runs it to ${details}`)
})

const runPause = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof pauseFlags>) {
  const { by, json, name } = input
  const { Control } = yield* lazyImports.eventbus
  const time = Option.getOrUndefined(input.time)
  yield* heard(Control.pause(name, { by, for: time }))
  yield* report(name, "pause", json, time === undefined ? "pause" : `pause for ${Duration.format(time)}`)
}, Effect.provide(Connection.layerAmqp))

const runResume = Effect.fnUntraced(function* ({ by, json, name }: Command.Command.Config.Infer<typeof flags>) {
  const { Control } = yield* lazyImports.eventbus
  yield* heard(Control.resume(name, { by }))
  yield* report(name, "resume", json, "resume")
}, Effect.provide(Connection.layerAmqp))

/**
 * @category commands
 * @since 0.1.0
 */
export const pause = Command.make("pause", pauseFlags, runPause).pipe(
  Command.withShortDescription("Pause a subscription in every process"),
  Command.withDescription(
    "Ask every process that runs a subscription to stop taking its events. Handlers\n" +
      "  that run go on, and events wait in the queue. A process hears it if it has\n" +
      "  Control.layer, and forgets it when it restarts."
  ),
  Command.withExamples([{ command: "eventbus pause billing --for 10m --by Ada" }])
)

/**
 * @category commands
 * @since 0.1.0
 */
export const resume = Command.make("resume", flags, runResume).pipe(
  Command.withShortDescription("Resume a subscription in every process"),
  Command.withDescription(
    "Ask every process that runs a subscription to take its events again, whatever\n  paused it."
  ),
  Command.withExamples([{ command: "eventbus resume billing" }])
)
