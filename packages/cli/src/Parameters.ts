/**
 * What the arguments and flags of several commands have in common.
 *
 * @since 0.1.0
 */

import * as Flag from "effect/cli/Flag"

/**
 * What a check that throws has to say.
 *
 * @category parsing
 * @since 0.1.0
 */
export const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * The flag that asks for JSON.
 *
 * @category flags
 * @since 0.1.0
 */
export const json = (description: string): Flag.Flag<boolean> =>
  Flag.Boolean("json").pipe(Flag.withDescription(description), Flag.withDefault(false))

/**
 * The flag that names the module that says what the events are.
 *
 * @category flags
 * @since 0.1.0
 */
export const module: Flag.Flag<string> = Flag.String("module").pipe(
  Flag.withDescription("A module that exports subscriptions or handlers"),
  Flag.withMetavar("FILE")
)

/**
 * The flag that says how many.
 *
 * @category flags
 * @since 0.1.0
 */
export const count = (description: string): Flag.Flag<number> =>
  Flag.String("count").pipe(
    Flag.withDescription(description),
    Flag.withMetavar("N"),
    Flag.mapTryCatch((text) => {
      if (!/^[1-9]\d{0,6}$/.test(text)) throw new RangeError(`"${text}" is not a whole number from 1 to 9999999`)
      return Number(text)
    }, reason)
  )
