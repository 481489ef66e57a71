/**
 * A web console for those who run the bus.
 *
 * @since 0.1.0
 */

export * as Access from "./Access.ts"
export * as Console from "./Console.ts"
export * as ConsoleApi from "./ConsoleApi.ts"
export * as ConsoleError from "./ConsoleError.ts"
export * as ConsoleInspection from "./ConsoleInspection.ts"
export * as ConsoleJob from "./ConsoleJob.ts"
export * as ConsoleModel from "./ConsoleModel.ts"
export * as Storage from "./Storage.ts"
