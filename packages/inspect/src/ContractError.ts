/**
 * Why a contract could not be read or used. No reason is retryable: the module has to
 * change first.
 *
 * @since 0.1.0
 */

import * as Schema from "effect/Schema"

const id = (name: string) => `@effect-eventbus/inspect/ContractError/${name}`

/**
 * The module does not exist.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModuleNotFound extends Schema.TaggedError<ModuleNotFound>(id("ModuleNotFound"))("ModuleNotFound", {
  module: Schema.String
}) {
  override get message(): string {
    return `There is no module "${this.module}"`
  }
}

/**
 * The module exists, but importing it failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModuleNotLoaded extends Schema.TaggedError<ModuleNotLoaded>(id("ModuleNotLoaded"))("ModuleNotLoaded", {
  module: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The module "${this.module}" cannot be loaded: ${this.detail}`
  }
}

/**
 * The module exports neither subscriptions nor handlers nor event types.
 *
 * @category errors
 * @since 0.1.0
 */
export class NothingExported extends Schema.TaggedError<NothingExported>(id("NothingExported"))("NothingExported", {
  module: Schema.String
}) {
  override get message(): string {
    return `"${this.module}" exports no subscription, no handler and no event type`
  }
}

/**
 * The export `amqpOptions` has an unexpected shape.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOptions extends Schema.TaggedError<InvalidOptions>(id("InvalidOptions"))("InvalidOptions", {
  module: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The amqpOptions of "${this.module}" are invalid: ${this.detail}`
  }
}

/**
 * The module exports more than one plan of bodies.
 *
 * @category errors
 * @since 0.1.0
 */
export class SeveralBodyPlans extends Schema.TaggedError<SeveralBodyPlans>(id("SeveralBodyPlans"))("SeveralBodyPlans", {
  module: Schema.String
}) {
  override get message(): string {
    return `"${this.module}" exports more than one BodyPlan, so it is not clear how its bodies are sealed`
  }
}

/**
 * The plan of bodies cannot be made.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidBodyPlan extends Schema.TaggedError<InvalidBodyPlan>(id("InvalidBodyPlan"))("InvalidBodyPlan", {
  detail: Schema.String
}) {
  override get message(): string {
    return `The transforms of the BodyPlan cannot be made: ${this.detail}`
  }
}

/**
 * Two subscriptions, or two event types, have the same name.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateName extends Schema.TaggedError<DuplicateName>(id("DuplicateName"))("DuplicateName", {
  kind: Schema.Literals(["event types", "subscriptions"]),
  name: Schema.String
}) {
  override get message(): string {
    return `Two ${this.kind} are named "${this.name}"`
  }
}

/**
 * Two subscriptions declare the same queue differently.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConflictingQueues extends Schema.TaggedError<ConflictingQueues>(id("ConflictingQueues"))(
  "ConflictingQueues",
  { detail: Schema.String }
) {
  override get message(): string {
    return this.detail
  }
}

/**
 * The payload of an event type has no JSON Schema.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoJsonSchema extends Schema.TaggedError<NoJsonSchema>(id("NoJsonSchema"))("NoJsonSchema", {
  eventType: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The payload of ${this.eventType} has no JSON Schema: ${this.detail}`
  }
}

/**
 * The lock file, or a file of the corpus beside it, cannot be read or written.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidLock extends Schema.TaggedError<InvalidLock>(id("InvalidLock"))("InvalidLock", {
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The recorded contract "${this.file}" cannot be used: ${this.detail}`
  }
}

/**
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  ModuleNotFound,
  ModuleNotLoaded,
  NothingExported,
  InvalidOptions,
  SeveralBodyPlans,
  InvalidBodyPlan,
  DuplicateName,
  ConflictingQueues,
  NoJsonSchema,
  InvalidLock
])

/**
 * Every reason.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A contract that could not be read or used. `reason` says why.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContractError extends Schema.TaggedError<ContractError>("@effect-eventbus/inspect/ContractError")(
  "ContractError",
  { reason: Reason }
) {
  override get message(): string {
    return this.reason.message
  }
}
