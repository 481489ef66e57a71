/**
 * `eventbus publish`: publishes an event once or many times.
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
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import * as LosslessJson from "../LosslessJson.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed, UsageError } from "../Problem.ts"

/** The number of events that are published at once. */
const concurrency = 256

/** A publish that takes longer may wait for a blocked broker. */
const lookMillis = 500

const flags = {
  type: Argument.String("type").pipe(Argument.withDescription("The event type, such as task.submitted")),
  payload: Flag.String("payload").pipe(
    Flag.withDescription("The payload, a JSON object [{}]"),
    Flag.withMetavar("JSON"),
    Flag.mapTryCatch((text) => ({ text, json: LosslessJson.parseObject(text) }), Parameters.reason),
    Flag.withDefault({ text: "{}", json: {} })
  ),
  agent: Flag.String("agent").pipe(
    Flag.withDescription("The agent that publishes"),
    Flag.withMetavar("ID"),
    Flag.optional
  ),
  service: Flag.String("service").pipe(
    Flag.withDescription("The service that publishes"),
    Flag.withMetavar("NAME"),
    Flag.optional
  ),
  priority: Flag.Literals("priority", Priority.all).pipe(
    Flag.withDescription("Priority [normal]"),
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
  delay: Flag.optional(Parameters.delay("Deliver it after this time, up to 49d")),
  count: Flag.withDefault(Parameters.count("The number of events [1]"), 1),
  json: Parameters.json("Print each event as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

/** Returns the platform's type of that name, or else a type without a schema. */
const typeOf = Effect.fnUntraced(function* (name: string) {
  const { AgentEvents } = yield* lazyImports.agents
  const { EventType } = yield* lazyImports.eventbus
  const known: EventTypeModule.Any | undefined = AgentEvents.byName.get(name)
  if (known !== undefined) return known
  return yield* Effect.try({
    try: (): EventTypeModule.Any => EventType.untyped(name),
    catch: (error) => new UsageError({ message: Parameters.reason(error) })
  })
})

const check = (type: EventTypeModule.Any, payload: unknown): Effect.Effect<void, UsageError> => {
  const decoded = type.decodePayload(payload)
  return Result.isSuccess(decoded)
    ? Effect.void
    : Effect.fail(new UsageError({ message: `The payload does not match ${type.name}: ${decoded.failure.message}` }))
}

const run = Effect.fnUntraced(function* (input: Input) {
  const output = yield* Output
  const { paint } = output
  const type = yield* typeOf(input.type)
  yield* check(type, JSON.parse(input.payload.text))
  const { Event, EventBus } = yield* lazyImports.eventbus
  const routingKey = Option.getOrElse(input.routingKey, () => RoutingKey.make(type.name, input.priority))
  // The schema has checked the payload. It is sent with the digits that it was given, which a schema may not take.
  const asGiven = { version: type.version, encodePayload: () => Result.succeed(input.payload.json) }
  // A delayed event finds its queues when it is due.
  const options = Option.match(input.delay, {
    onNone: () => ({ routingKey, unroutable: "fail" as const }),
    onSome: (delay) => ({ routingKey, delay })
  })
  let published = 0
  let unrouted = 0
  let lastId = ""

  const publishOne = Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    const event = yield* Event.make(type.name, input.payload.json, asGiven, {
      sourceAgentId: Option.getOrUndefined(input.agent),
      sourceService: Option.getOrUndefined(input.service),
      traceId: Option.getOrUndefined(input.traceId),
      priority: input.priority
    })
    const isRouted = yield* bus.publish(event, options).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => error.reason._tag === "Unroutable",
        () => Effect.succeed(false)
      )
    )
    if (isRouted) published++
    else unrouted++
    lastId = event.eventId
    if (!input.json) return
    const { eventId, eventType } = event
    yield* output.json({ event_id: eventId, event_type: eventType, routing_key: routingKey, routed: isRouted })
  })

  /** Adds the number of published events, if there are several. */
  const toFailure = (error: PublishError) =>
    input.count === 1
      ? error
      : new CommandFailed({ message: `Published ${published} of ${input.count}. ${error.message}` })

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
      const details = input.count === 1 ? lastId : `${published} events in ${Duration.toSeconds(took).toFixed(2)} s`
      yield* output.line(`${paint("green", "published")}  ${routingKey}  ${paint("dim", details)}`)
    }
    if (unrouted > 0) {
      const events = unrouted === 1 ? "1 event" : `${unrouted} events`
      yield* output.line(`${paint("yellow", "not routed")}  ${routingKey}  no queue is bound to it: ${events} dropped`)
    }
  })

  /** Says so at once where the broker takes no events. The publish waits meanwhile, and says at the end what became of it. */
  const noteBlocked = Effect.gen(function* () {
    const { health } = yield* EventBus.EventBus
    for (;;) {
      yield* Effect.sleep(lookMillis)
      const { publishing } = (yield* health).details
      if (typeof publishing !== "string" || !publishing.startsWith("blocked")) continue
      yield* output.note(`The broker takes no events now (${publishing}). Waiting until it does`)
      return yield* Effect.never
    }
  })

  yield* Effect.provide(Effect.raceFirst(publishAll, noteBlocked), Connection.layerAmqp)
})

/**
 * @category commands
 * @since 0.1.0
 */
export const publish = Command.make("publish", flags, run).pipe(
  Command.withShortDescription("Publish an event"),
  Command.withDescription(
    "Publish an event, and show whether any queue received it. The payload of a\n" +
      "  type of the agent platform is checked first."
  ),
  Command.withExamples([
    { command: `eventbus publish task.submitted --payload '{"task_id":"t-1"}'` },
    { command: "eventbus publish system.health_check --service me --priority high" },
    { command: "eventbus publish report.due --delay 7d" }
  ])
)
