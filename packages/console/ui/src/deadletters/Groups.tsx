/** The groups of a look: dead letters of the same failure. */
import type { ReactNode } from "react"
import type { Snapshot } from "../../../src/ConsoleModel.ts"
import { Age } from "../parts/AsOf.tsx"
import { setQuery } from "../state/place.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted } from "../text/format.ts"

export const Groups = (props: {
  readonly of: typeof Snapshot.Type
  readonly chosen: string | undefined
}): ReactNode => {
  const { chosen, of } = props
  return (
    <section className="groups" aria-labelledby="groups">
      <h2 id="groups">Groups</h2>
      <ul>
        {of.groups.map((group) => {
          const isChosen = group.fingerprint !== undefined && group.fingerprint === chosen
          return (
            <li key={group.fingerprint ?? `none ${group.type ?? ""}`}>
              <button
                type="button"
                className="group"
                aria-pressed={isChosen}
                disabled={group.fingerprint === undefined}
                onClick={() => setQuery({ group: isChosen ? undefined : group.fingerprint, letter: undefined })}
              >
                <span className="group-top">
                  <span className="group-count">{count(group.count)}</span>
                  <span className="group-reason">
                    <Foreign text={group.reason ?? "No reason was recorded"} />
                  </span>
                </span>
                <span className="group-message">
                  {group.count > 1 ? <span className="soft">For example: </span> : null}
                  <Foreign text={group.sample.message} />
                </span>
                <span className="group-foot">
                  <span>
                    <Foreign text={group.type ?? "unknown type"} />
                  </span>
                  {group.keys === undefined ? null : (
                    <span>
                      {group.key === undefined ? counted(group.keys, "key") : <Foreign text={`key ${group.key}`} />}
                    </span>
                  )}
                  {group.last === undefined ? null : (
                    <span>
                      {group.first === undefined || group.first === group.last ? null : (
                        <>
                          first <Age at={group.first} />,{" "}
                        </>
                      )}
                      last <Age at={group.last} />
                    </span>
                  )}
                </span>
                <svg className="share" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
                  <rect className="share-all" width="100" height="3" />
                  <rect className="share-part" width={(group.count / Math.max(1, of.count)) * 100} height="3" />
                </svg>
              </button>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
