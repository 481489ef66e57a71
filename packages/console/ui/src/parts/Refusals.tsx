/** The reasons why dead letters stay, with their numbers. */
import type { ReactNode } from "react"
import type { Refusal } from "../../../src/ConsoleJob.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count } from "../text/format.ts"
import { Link } from "./Link.tsx"

export const Refusals = (props: {
  readonly of: ReadonlyArray<typeof Refusal.Type>
  readonly queue: string
}): ReactNode => {
  const { of, queue } = props
  return (
    <ul className="refusals">
      {of.map(({ count: number, example, message }) => (
        <li key={message}>
          <strong>{count(number)}</strong>: <Foreign text={message} lines />
          {example === undefined ? null : (
            <>
              {" "}
              <Link to={{ _tag: "DeadLetter", queue, id: example }} className="soft">
                For example{" "}
                <span className="mono">
                  <Foreign text={example} />
                </span>
              </Link>
            </>
          )}
        </li>
      ))}
    </ul>
  )
}
