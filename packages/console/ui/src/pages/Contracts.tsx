/** The event types of the application, with their schemas and receivers. */
import type { ReactNode } from "react"
import type { Contracts as ContractsModel } from "../../../src/ConsoleInspection.ts"
import { Button } from "../parts/Button.tsx"
import { CommandLine } from "../parts/Copy.tsx"
import { Head } from "../parts/Head.tsx"
import { JsonTree } from "../parts/JsonTree.tsx"
import { Link } from "../parts/Link.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { save } from "../state/download.ts"
import { setQuery, usePlace } from "../state/place.ts"
import { contracts } from "../state/resources.ts"
import { useModuleCommand, useSession } from "../state/session.ts"
import { messageOf, schemaOf } from "../text/asyncApi.ts"
import { command } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { counted } from "../text/format.ts"

type Model = typeof ContractsModel.Type
type Type = Model["types"][number]

const Detail = (props: { readonly of: Type; readonly document: unknown }): ReactNode => {
  const { document, of } = props
  const message = messageOf(document, of.name)
  return (
    <article className="card" aria-label={of.name}>
      <h2 className="mono">
        <Foreign text={of.name} />
      </h2>
      {of.version === undefined ? null : <p className="soft">Version {of.version}</p>}
      <h3>Received by</h3>
      {of.queues.length === 0 ? (
        <p className="warn-text">No queue of the contract receives it.</p>
      ) : (
        <p>
          {of.queues.map((queue) => (
            <Link key={queue} to={{ _tag: "Queue", queue }} className="chip">
              <Foreign text={queue} />
            </Link>
          ))}
        </p>
      )}
      <h3>Schema</h3>
      {message === undefined ? (
        <p className="soft">It has none.</p>
      ) : (
        <div className="body-tree">
          <JsonTree value={schemaOf(document, message)} open={4} />
        </div>
      )}
      <h3>Publish one</h3>
      <CommandLine text={command(["publish", of.name], { payload: "{}" })} />
    </article>
  )
}

const Found = ({ of }: { readonly of: Model }): ReactNode => {
  const { query } = usePlace()
  const chosen = of.types.find(({ name }) => name === query.get("type")) ?? of.types[0]
  if (chosen === undefined) return <Notice title="The contract has no event type" />
  return (
    <div className="split two">
      <section aria-labelledby="types">
        <h2 id="types">{counted(of.types.length, "event type")}</h2>
        <ul className="choices">
          {of.types.map((type) => (
            <li key={`${type.name} ${type.version ?? ""}`}>
              <button type="button" aria-pressed={type === chosen} onClick={() => setQuery({ type: type.name })}>
                <span className="mono">
                  <Foreign text={type.name} />
                </span>
                <span className="soft">
                  {type.queues.length === 0 ? "no queue" : counted(type.queues.length, "queue")}
                </span>
              </button>
            </li>
          ))}
        </ul>
      </section>
      <Detail of={chosen} document={of.asyncApi} />
    </div>
  )
}

export const Contracts = (): ReactNode => {
  const again = useRefresh(contracts)
  const result = useAtom(contracts)
  const moduleCommand = useModuleCommand()
  const feature = useSession()?.features.contracts
  return (
    <>
      <Head
        title="Contracts"
        tab="Contracts"
        lead={
          <p>The event types that the application declares, who receives them, and the AsyncAPI document of it all.</p>
        }
        command={moduleCommand(["asyncapi"])}
      />
      {feature?.available === false ? (
        <Notice title="This console does not know the application">
          <p>
            <Foreign text={feature.reason ?? "Start it with the application's module."} />
          </p>
        </Notice>
      ) : (
        <Loaded of={result} what="Reading the contract …" again={again}>
          {(found) => (
            <>
              <p className="row">
                <strong>
                  <Foreign text={found.title} />
                </strong>{" "}
                <span className="soft">
                  <Foreign text={found.version} />
                </span>
                <Button
                  kind="quiet"
                  onClick={() =>
                    save(
                      "asyncapi.json",
                      new Blob([JSON.stringify(found.asyncApi, null, 2)], { type: "application/json" })
                    )
                  }
                >
                  Download AsyncAPI
                </Button>
              </p>
              <Found of={found} />
            </>
          )}
        </Loaded>
      )}
    </>
  )
}
