/** What this console may do, for pages that show or hide actions. */
import * as Option from "effect/Option"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import type { Session } from "../../../src/ConsoleModel.ts"
import { command, type Flags } from "../text/command.ts"
import { useAtom } from "./atoms.ts"
import { session } from "./resources.ts"

/** Returns what the server said about itself, once it has. */
export const useSession = (): typeof Session.Type | undefined =>
  Option.getOrUndefined(AsyncResult.value(useAtom(session)))

/** Whether actions are hidden. Until the server has said otherwise, they are. */
export const useIsReadOnly = (): boolean => useSession()?.readOnly ?? true

/** Returns a function that makes commands, which have the console's own flags where they need a module. */
export const useModuleCommand = (): ((words: ReadonlyArray<string>, flags?: Flags) => string) => {
  const flags = useSession()?.flags ?? []
  return (words, own) => [command(words, own), ...flags].join(" ")
}
