/** A bus that is broken on purpose by edits of its source. */
export interface Mutant {
  readonly name: string
  /** The path of the file below `packages/`. */
  readonly file: string
  /** The texts to replace, each of which occurs exactly once, and their replacements. */
  readonly edits: ReadonlyArray<readonly [from: string, to: string]>
  /** The fault that must detect it. */
  readonly under: string
}

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "ack-before-retry",
    file: "eventbus/src/subscribe/internal/move.ts",
    edits: [
      [
        "return broker.put(to, { ...envelope, origin, fault }, delay).pipe(",
        "return Effect.andThen(delivery.ack, broker.put(to, { ...envelope, origin, fault }, delay)).pipe("
      ],
      ["onSuccess: () => Effect.as(delivery.ack, true)", "onSuccess: () => Effect.succeed(true)"]
    ],
    under: "alarm-and-rst"
  },
  {
    name: "returns-ignored",
    file: "amqp/src/internal/AmqpSender.ts",
    edits: [["if (error === null && !wasReturned)", "if (error === null)"]],
    under: "binding-removed"
  },
  {
    name: "not-mandatory",
    file: "amqp/src/internal/AmqpMessage.ts",
    edits: [["mandatory = true", "mandatory = false"]],
    under: "binding-removed"
  },
  {
    // What is settled after its channel was closed is settled on the next one, where its number means another delivery.
    name: "stale-settle",
    file: "amqp/src/internal/AmqpConsumer.ts",
    edits: [
      [
        "new AmqpDelivery(message, envelope, acknowledger)",
        `new AmqpDelivery(message, envelope, {
      holds: (message) => acknowledger.holds(message) || !acknowledger.isOpen(),
      ack: (message) =>
        acknowledger.isOpen() ? acknowledger.ack(message) : session?.channel.channel.ack(message),
      requeue: (message) =>
        acknowledger.isOpen() ? acknowledger.requeue(message) : session?.channel.channel.nack(message)
    })`
      ]
    ],
    under: "rst-again"
  },
  {
    name: "unsettled-acknowledged",
    file: "amqp/src/internal/AmqpAcknowledger.ts",
    edits: [["const [oldest] = this.messages", "const oldest = this.messages.values().find(() => false)"]],
    under: "handler-hang"
  },
  {
    name: "confirms-ignored",
    file: "amqp/src/internal/AmqpSender.ts",
    edits: [
      [
        "(error: unknown) => this.confirmed(outgoing, error))\n",
        "(error: unknown) => this.confirmed(outgoing, error))\n      this.settle(outgoing, undefined)\n"
      ]
    ],
    under: "one-way-hole-up"
  },
  {
    // Lost events are neither sent again nor failed, so their publishers wait for ever.
    name: "in-flight-forgotten",
    file: "amqp/src/internal/ConfirmWindow.ts",
    edits: [["this.putBack(lost.filter((outgoing) => !outgoing.isDone))", ""]],
    under: "rst-unconfirmed"
  },
  {
    // Publishes that may be refused are in flight beside others.
    name: "refusals-in-company",
    file: "amqp/src/internal/AmqpSender.ts",
    edits: [["strikes > 0 || !this.record.knows(message)", "strikes > 0"]],
    under: "refused-every-300-ms"
  },
  {
    // A delayed event leaves after its longest level.
    name: "delay-cut-short",
    file: "amqp/src/AmqpLadder.ts",
    edits: [["headers[end] = level", "headers[end] ??= level"]],
    under: "kill-9-thrice-delayed"
  },
  {
    // Between its levels, a delayed event is in none.
    name: "delay-unconfirmed",
    file: "amqp/src/AmqpLadder.ts",
    edits: [[`"x-dead-letter-strategy": "at-least-once",`, ""]],
    under: "kill-9-thrice-delayed"
  },
  {
    name: "not-consuming-again",
    file: "amqp/src/internal/AmqpConsumer.ts",
    edits: [["Effect.andThen(connection.up, start)", "Effect.andThen(Effect.never, start)"]],
    under: "rst"
  },
  {
    name: "attempts-not-counted",
    file: "amqp/src/internal/AmqpMessage.ts",
    edits: [[`headers["eb-attempt"] = envelope.attempt ?? 1`, `headers["eb-attempt"] = 1`]],
    under: "rst"
  },
  {
    name: "drain-timeout-ignored",
    file: "eventbus/src/subscribe/Subscriber.ts",
    edits: [["Effect.timeoutOption(dispatch.idle, subscription.drainTimeout)", "dispatch.idle"]],
    under: "process-sigterm-endless"
  },
  {
    name: "bytes-in-flight-ignored",
    file: "amqp/src/internal/ConfirmWindow.ts",
    edits: [
      ["this.count < this.maxCount && this.bytes + outgoing.size <= this.maxBytes", "this.count < this.maxCount"]
    ],
    under: "queue-silent"
  },
  {
    // A channel that confirms nothing is not replaced.
    name: "stuck-channel-kept",
    file: "amqp/src/internal/PublishLane.ts",
    edits: [["window.deadline + settings.publishTimeout <= now()", "false"]],
    under: "queue-silent"
  },
  {
    name: "alarm-not-asked-for",
    file: "amqp/src/internal/AmqpHealth.ts",
    edits: [["Effect.andThen(Effect.forkIn(alarm.ask, scope), lacking)", "lacking"]],
    under: "alarm-unpublished"
  },
  {
    // The consumer of a paused subscription is closed before its deliveries are settled.
    name: "paused-before-settled",
    file: "eventbus/src/subscribe/internal/Intake.ts",
    edits: [["const settled = Effect.suspend(() => dispatch.done)", "const settled = Effect.void"]],
    under: "pause-resume"
  },
  {
    // What a paused subscription holds is neither given back nor handled.
    name: "paused-and-held",
    file: "eventbus/src/subscribe/internal/Intake.ts",
    edits: [
      [
        "Effect.forEach(dispatch.takeWaiting(), giveBack, { discard: true })",
        "Effect.sync(() => dispatch.takeWaiting())"
      ],
      ["Effect.andThen(finish, Scope.close(current.scope, Exit.void))", "finish"]
    ],
    under: "pause-resume"
  },
  {
    // A pause uses up an attempt.
    name: "pause-counted",
    file: "eventbus/src/subscribe/internal/settle.ts",
    edits: [
      [
        'case "Requeue":\n          case "Pause":\n            return requeue(delivery, decoded, now())',
        'case "Pause":\n            return retry(delivery, decoded, { ...settlement, _tag: "Retry" })\n          case "Requeue":\n            return requeue(delivery, decoded, now())'
      ]
    ],
    under: "dependency-down"
  },
  {
    // A poison event is in a batch with others until all of them have failed too often.
    name: "batch-never-isolated",
    file: "eventbus/src/subscribe/Batch.ts",
    edits: [["attempt > 1 || probe !== undefined || failures.suspects(event.eventId)", "probe !== undefined"]],
    under: "batches"
  },
  {
    name: "batch-results-mixed-up",
    file: "eventbus/src/subscribe/Batch.ts",
    edits: [
      [
        "resume(Exit.isSuccess(exit) ? outcomeOf(exit.value[i])",
        "resume(Exit.isSuccess(exit) ? outcomeOf(exit.value.at(-1 - i))"
      ]
    ],
    under: "batches"
  },
  {
    // The events of a batch are acknowledged while it gathers.
    name: "batch-acknowledged-early",
    file: "eventbus/src/subscribe/Batch.ts",
    edits: [
      [
        "gathering.join(key, { delivery, since: now(), span: fiber.cache.span, resume })\n",
        "{\n              gathering.join(key, { delivery, since: now(), span: fiber.cache.span, resume: () => {} })\n              resume(Effect.succeed(Settlement.ack))\n            }\n"
      ]
    ],
    under: "process-sigkill-batches"
  },
  {
    // The timeout of a request counts from the end of its publish, which has ten seconds.
    name: "request-timer-after-send",
    file: "eventbus/src/request/Requester.ts",
    edits: [["duration: millis,", "duration: millis + 10_000,"]],
    under: "requests-hole"
  },
  {
    name: "replies-mixed-up",
    file: "eventbus/src/request/Requester.ts",
    edits: [["`${++count}`", "`${++count % 8}`"]],
    under: "requests-rst-responder"
  },
  {
    name: "replies-gone-with-connection",
    file: "eventbus/src/request/internal/Inbox.ts",
    edits: [["      reconnectWithin\n", "      reconnectWithin: undefined\n"]],
    under: "requests-rst-requester"
  },
  {
    // A kill has to come between the two, so there is some time between them.
    name: "ack-before-reply",
    file: "eventbus/src/subscribe/internal/settle.ts",
    edits: [
      [
        "Effect.andThen(responder.reply(delivery, settlement.reply, deadline), acked)",
        "Effect.andThen(acked, Effect.delay(responder.reply(delivery, settlement.reply, deadline), 10))"
      ]
    ],
    under: "requests-kill-responder"
  },
  {
    name: "expired-requests-handled",
    file: "eventbus/src/subscribe/internal/responder.ts",
    edits: [[": drop\n", ": handling\n"]],
    under: "requests-storm"
  },
  {
    name: "keys-out-of-turn",
    file: "eventbus/src/subscribe/internal/Lanes.ts",
    edits: [["before === undefined ? effect", "before === undefined || key !== '' ? effect"]],
    under: "ordered-kill-consumer"
  },
  {
    // Another process does not know which keys are parked.
    name: "parked-keys-forgotten",
    file: "eventbus/src/subscribe/internal/OrderedKeys.ts",
    edits: [["if (key === undefined) return true\n", "return true\n"]],
    under: "ordered-kill-consumer"
  },
  {
    name: "several-consumers-active",
    file: "amqp/src/AmqpTopology.ts",
    edits: [[`{ "x-single-active-consumer": true }`, "{}"]],
    under: "ordered-kill-consumer"
  }
]
