/**
 * The settings of a console, made of its options.
 *
 * @internal
 */

import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { Contract } from "@effect-eventbus/inspect/Contract"
import type { Management } from "@effect-eventbus/inspect/Management"
import type { DeadLetter } from "effect-eventbus/DeadLetter"
import * as Context from "effect/Context"
import type { Access, Operator } from "../Access.ts"
import type { Storage } from "../Storage.ts"

export interface Settings {
  readonly access: Access
  readonly title: string
  readonly broker: string
  /** Without a slash at its end; empty at the root. */
  readonly prefix: string
  readonly hosts: ReadonlySet<string>
  readonly queues: ReadonlyArray<string>
  readonly contract: Contract | undefined
  readonly amqp: AmqpOptions.Settings | undefined
  readonly management: Management | undefined
  readonly storage: Storage | undefined
  readonly readOnly: boolean
  readonly bodies: "show" | "hide" | ((letter: DeadLetter) => DeadLetter)
  readonly flags: ReadonlyArray<string>
  /** The folder of the built page. */
  readonly page: string
}

/** The operator who sends the request that is being answered. */
export const CurrentOperator = Context.Reference<Operator>("@effect-eventbus/console/CurrentOperator", {
  defaultValue: () => ({})
})

export const bodiesOf = ({ bodies }: Settings): "show" | "hide" | "redact" =>
  typeof bodies === "function" ? "redact" : bodies
