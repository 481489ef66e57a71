/** Checks of the broker, with what to do where one fails. */
import type { ReactNode } from "react"
import { AsOf } from "../parts/AsOf.tsx"
import { Button } from "../parts/Button.tsx"
import { Head } from "../parts/Head.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { doctor } from "../state/resources.ts"
import { useModuleCommand, useSession } from "../state/session.ts"
import { Foreign } from "../text/Foreign.tsx"
import { span } from "../text/format.ts"

const states = {
  ok: ["good", "well"],
  warn: ["warn", "look at it"],
  fail: ["bad", "failed"],
  skip: ["plain", "skipped"]
} as const
const order = { fail: 0, warn: 1, skip: 2, ok: 3 } as const

export const Doctor = (): ReactNode => {
  const command = useModuleCommand()
  const feature = useSession()?.features.doctor
  return (
    <>
      <Head
        title="Doctor"
        tab="Doctor"
        lead={<p>Connection, version, permissions, clocks, topology, backlogs and full queues.</p>}
        command={command(["doctor"])}
      />
      {feature?.available === false ? (
        <Notice title="There is no broker to check">
          <p>
            <Foreign text={feature.reason ?? "Start the console on RabbitMQ."} />
          </p>
        </Notice>
      ) : feature === undefined ? null : (
        <Checks />
      )}
    </>
  )
}

const Checks = (): ReactNode => {
  const again = useRefresh(doctor)
  const result = useAtom(doctor)
  return (
    <>
      <Loaded of={result} what="Checking the broker …" again={again} rows={7}>
        {({ at, checks, took }) => (
          <>
            <ul className="checks">
              {checks
                .toSorted((a, b) => order[a.status] - order[b.status])
                .map(({ advice, check, detail, status }) => (
                  <li key={`${check} ${detail}`}>
                    <span className={`tag ${states[status][0]}`}>{states[status][1]}</span>
                    <div>
                      <h2>
                        <Foreign text={check} />
                      </h2>
                      <p>
                        <Foreign text={detail} lines />
                      </p>
                      {advice === undefined ? null : (
                        <p className="advice">
                          <Foreign text={advice} lines />
                        </p>
                      )}
                    </div>
                  </li>
                ))}
            </ul>
            <div className="row">
              <Button onClick={again} disabled={result.waiting}>
                {result.waiting ? "Checking …" : "Check again"}
              </Button>
              <AsOf at={at} source={`Asked of the broker, took ${span(took)}`} />
            </div>
          </>
        )}
      </Loaded>
    </>
  )
}
