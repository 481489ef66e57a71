/**
 * A handler as a value.
 *
 * @internal
 */

import * as Pipeable from "effect/Pipeable"
import type { Event } from "../../event/Event.ts"
import type { Handler, Step, TypeId } from "../Handler.ts"
import type { Subscription } from "../Subscription.ts"

const typeId: typeof TypeId = "~effect-eventbus/Handler"

export class Pipeline<in out Ev extends Event, out E, out R> extends Pipeable.Class implements Handler<Ev, E, R> {
  readonly [typeId]: typeof TypeId = typeId
  readonly subscription: Subscription<Ev>
  readonly steps: ReadonlyArray<Step>
  readonly prepare: Handler<Ev, E, R>["prepare"]

  constructor(subscription: Subscription<Ev>, steps: ReadonlyArray<Step>, prepare: Handler<Ev, E, R>["prepare"]) {
    super()
    this.subscription = subscription
    this.steps = steps
    this.prepare = prepare
  }
}
