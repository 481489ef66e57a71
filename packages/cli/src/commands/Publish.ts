/**
 * `eventbus publish`: publishes an event, or many of a kind.
 *
 * @since 0.1.0
 */

import type * as EventTypeModule from "effect-eventbus/EventType"
import * as Priority from "effect-eventbus/Priority"
import type { PublishError } from "effect-eventbus/PublishError"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Connection from "../Connection.ts"
import * as Modules from "../Modules.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed, UsageError } from "../Problem.ts"

/** How many events are on their way at once. */
const concurrency = 256

const flags = {
  type: Argument.String("type").pipe(Argument.withDescription("The type of the event, such as task.submitted")),
  payload: Flag.String("payload").pipe(
    Flag.withDescription("The payload, a JSON object [{}]"),
    Flag.withMetavar("JSON"),
    Flag.mapTryCatch(Parameters.jsonObject, Parameters.reason),
    Flag.withDefault({})
  ),
  agent: Flag.String("agent").pipe(
    Flag.withDescription("The agent that speaks"),
    Flag.withMetavar("ID"),
    Flag.optional
  ),
  service: Flag.String("service").pipe(
    Flag.withDescription("The service that speaks"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  priority: Flag.Literals("priority", Priority.all).pipe(
    Flag.withDescription("Urgency [normal]"),
    Flag.withMetavar("LEVEL"),
    Flag.withDefault("normal")
  ),
  traceId: Flag.String("trace-id").pipe(
    Flag.withDescription("The trace that the event belongs to"),
    Flag.withMetavar("UUID"),
    Flag.filter(Parameters.isUuid, (text) => `"${text}" is not a UUID`),
    Flag.optional
  ),
  routingKey: Flag.String("routing-key").pipe(
    Flag.withDescription("The routing key [<type>.<priority>]"),
    Flag.withMetavar("KEY"),
    Flag.mapTryCatch(RoutingKey.check, Parameters.reason),
    Flag.optional
  ),
  count: Flag.withDefault(Parameters.count("How many such events [1]"), 1),
  json: Parameters.json("Each event as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

/** One of the platform's types, whose schema checks the payload, or a type without one. */
const typeOf = Effect.fnUntraced(function* (name: string) {
  const { AgentEvents } = yield* Modules.agents
  const { EventType } = yield* Modules.eventbus
  const known: EventTypeModule.Any | undefined = AgentEvents.byName.get(name)
  if (known !== undefined) return known
  return yield* Effect.try({
    try: (): EventTypeModule.Any => EventType.untyped(name),
    catch: (error) => new UsageError({ message: Parameters.reason(error) })
  })
})

const checked = (type: EventTypeModule.Any, payload: Schema.JsonObject): Effect.Effect<unknown, UsageError> => {
  const decoded = type.decodePayload(payload)
  return Result.isSuccess(decoded)
    ? Effect.succeed(decoded.success)
    : Effect.fail(new UsageError({ message: `This is no payload of ${type.name}: ${decoded.failure.message}` }))
}

const run = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { paint } = output
  const type = yield* typeOf(input.type)
  const payload = yield* checked(type, input.payload)
  const { Event, EventBus } = yield* Modules.eventbus
  const routingKey = Option.getOrElse(input.routingKey, () => RoutingKey.make(type.name, input.priority))
  let published = 0
  let unheard = 0
  let lastId = ""

  const publishOne = Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    const event = yield* Event.make(type.name, payload, type, {
      sourceAgentId: Option.getOrUndefined(input.agent),
      sourceService: Option.getOrUndefined(input.service),
      traceId: Option.getOrUndefined(input.traceId),
      priority: input.priority
    })
    const isHeard = yield* bus.publish(event, { routingKey, unroutable: "fail" }).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => error.reason._tag === "Unroutable",
        () => Effect.succeed(false)
      )
    )
    if (isHeard) published++
    else unheard++
    lastId = event.eventId
    if (!input.json) return
    const { eventId, eventType } = event
    yield* output.json({ event_id: eventId, event_type: eventType, routing_key: routingKey, routed: isHeard })
  })

  /** With many, it matters how far it came. */
  const toFailure = (error: PublishError) =>
    input.count === 1
      ? error
      : new CommandFailed({ message: `${published} of ${input.count} were published. ${error.message}` })

  const publishAll = Effect.gen(function* () {
    const [took] = yield* Effect.forEach(Array.from({ length: input.count }), () => publishOne, {
      concurrency,
      discard: true
    }).pipe(
      Effect.catchTag("PublishError", (error) => Effect.fail(toFailure(error))),
      Effect.timed
    )
    if (input.json) return
    if (published > 0) {
      const what = input.count === 1 ? lastId : `${published} events in ${Duration.toSeconds(took).toFixed(2)} s`
      yield* output.line(`${paint("green", "published")}  ${routingKey}  ${paint("dim", what)}`)
    }
    if (unheard > 0) {
      const events = unheard === 1 ? "nobody got it" : `nobody got these ${unheard} events`
      yield* output.line(`${paint("yellow", "unheard")}    ${routingKey}  no queue is bound for it: ${events}`)
    }
  })

  yield* Effect.provide(publishAll, Connection.layerAmqp)
})

/**
 * @category commands
 * @since 0.1.0
 */
export const publish = Command.make("publish", flags, run).pipe(
  Command.withShortDescription("Publish an event"),
  Command.withDescription(
    "Publish an event, and say whether any queue got it. The payload of a type that\n" +
      "  the agent platform knows is checked before anything is sent."
  ),
  Command.withExamples([
    { command: `eventbus publish task.submitted --payload '{"task_id":"t-1"}'` },
    { command: "eventbus publish system.health_check --service me --priority high" }
  ])
)
