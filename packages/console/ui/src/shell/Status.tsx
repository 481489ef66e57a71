/** The health of the bus and the state of the stream, in words and with their age. */
import type { ReactNode } from "react"
import { Heard } from "../parts/AsOf.tsx"
import { useAtom } from "../state/atoms.ts"
import { link, pulse } from "../state/live.ts"
import { Foreign } from "../text/Foreign.tsx"
import { time } from "../text/format.ts"

const tones = { healthy: "good", degraded: "warn", unhealthy: "bad" } as const

export const Status = (): ReactNode => {
  const state = useAtom(link)
  const now = useAtom(pulse)
  return (
    <div className="status" role="status">
      {now === undefined ? (
        <p className="tag plain">{state._tag === "Lost" ? "not connected" : "connecting …"}</p>
      ) : (
        <p className={`tag ${state._tag === "Lost" ? "bad" : tones[now.health.status]}`}>
          {state._tag === "Lost" ? "not connected" : now.health.status}
        </p>
      )}
      {state._tag === "Lost" ? (
        <p>
          <strong>
            {now === undefined ? "Nothing was heard yet" : `Nothing since ${time(now.at)}`}: {state.problem.title}.
          </strong>{" "}
          <Foreign text={state.problem.message} />
        </p>
      ) : now?.failure === undefined ? null : (
        <p>
          Counts are those of {time(now.at)}: <Foreign text={now.failure} />
        </p>
      )}
      {now === undefined || state._tag === "Lost" ? null : (
        <p className="soft" aria-live="off">
          heard <Heard at={now.at} />
        </p>
      )}
    </div>
  )
}
