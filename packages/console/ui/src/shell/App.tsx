/** The console, or the login where the server asks for one. */
import * as Cause from "effect/Cause"
import * as AsyncResult from "effect/reactivity/AsyncResult"
import type { ReactNode } from "react"
import { Pages } from "../pages/Pages.tsx"
import { useAtom, usePart } from "../state/atoms.ts"
import { link } from "../state/live.ts"
import { problemOf } from "../state/problem.ts"
import { session } from "../state/resources.ts"
import { Login } from "./Login.tsx"
import { Shell } from "./Shell.tsx"

export const App = (): ReactNode => {
  const about = useAtom(session)
  const isRefused = usePart(link, (state) => state._tag === "Lost" && state.problem.tag === "Unauthorized")
  const isStranger =
    (AsyncResult.isFailure(about) && problemOf(Cause.squash(about.cause)).tag === "Unauthorized") || isRefused
  return isStranger ? (
    <Login />
  ) : (
    <Shell>
      <Pages />
    </Shell>
  )
}
