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
    name: "stale-settle",
    file: "amqp/src/internal/AmqpConsumer.ts",
    edits: [
      [
        "new AmqpDelivery(message, envelope, acknowledger)",
        `new AmqpDelivery(message, envelope, {
      isOpen: () => (session?.acknowledger ?? acknowledger).isOpen(),
      ack: (message) => (session?.acknowledger ?? acknowledger).ack(message),
      requeue: (message) => (session?.acknowledger ?? acknowledger).requeue(message)
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
  }
]
