/** What the application needs on the broker, and what is there. */
import { type FormEvent, type ReactNode, useState } from "react"
import type { Topology as TopologyModel } from "../../../src/ConsoleInspection.ts"
import { AsOf } from "../parts/AsOf.tsx"
import { Button } from "../parts/Button.tsx"
import { CommandLine } from "../parts/Copy.tsx"
import { ExplanationView } from "../parts/ExplanationView.tsx"
import { Head } from "../parts/Head.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Table } from "../parts/Table.tsx"
import { TopologyMap } from "../parts/TopologyMap.tsx"
import { TopologyState } from "../parts/TopologyState.tsx"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { setQuery, usePlace } from "../state/place.ts"
import { explanation, topology } from "../state/resources.ts"
import { useModuleCommand, useSession } from "../state/session.ts"
import { Foreign } from "../text/Foreign.tsx"

type Model = typeof TopologyModel.Type

const order = ["different", "missing", "unwanted", "unseen", "hidden", "there"] as const

const Plan = ({ of }: { readonly of: Model }): ReactNode => {
  const command = useModuleCommand()
  if (of.findings.length === 0) {
    return (
      <Notice title="The broker was not asked">
        <p>A broker in memory has no topology of its own. The map shows what the application declares.</p>
      </Notice>
    )
  }
  return (
    <>
      {of.summary === "" ? (
        <Notice tone="good" title="All is as it should be" />
      ) : (
        <Notice tone="warn" title={of.summary}>
          <p>
            The console changes no topology. The command creates what is missing, and never changes or deletes anything:
          </p>
          <CommandLine text={command(["topology", "apply"])} />
        </Notice>
      )}
      <Table
        caption="Exchanges, queues and bindings"
        className="stack-table"
        columns={[
          { name: "Name", cell: ({ name }) => <Foreign text={name} /> },
          { name: "Kind", cell: ({ isOurs, kind }) => `${kind}${isOurs ? "" : ", of others"}` },
          { name: "State", cell: ({ state }) => <TopologyState of={state} /> },
          {
            name: "Details",
            cell: ({ details }) =>
              details.length === 0 ? (
                <span className="soft">none</span>
              ) : (
                details.map((detail) => (
                  <span key={detail} className="line">
                    <Foreign text={detail} />
                  </span>
                ))
              )
          }
        ]}
        rows={of.findings.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))}
        keyOf={({ kind, name }) => `${kind} ${name}`}
      />
    </>
  )
}

const Explain = ({ routingKey }: { readonly routingKey: string }): ReactNode => {
  const atom = explanation(routingKey)
  const again = useRefresh(atom)
  return (
    <Loaded of={useAtom(atom)} what="Following the routing key …" again={again}>
      {(found) => <ExplanationView of={found} />}
    </Loaded>
  )
}

const Ask = (): ReactNode => {
  const { query } = usePlace()
  const asked = query.get("key") ?? ""
  const [typed, setTyped] = useState(asked)
  const ask = (event: FormEvent) => {
    event.preventDefault()
    setQuery({ key: typed })
  }
  return (
    <>
      <form className="filters" onSubmit={ask}>
        <label className="filter wide">
          <span>The routing key of an event, such as invoice.paid.normal</span>
          <input
            className="mono"
            value={typed}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <button type="submit" className="button main" disabled={typed === ""}>
          Explain
        </button>
      </form>
      {asked === "" ? (
        <p className="soft">
          You see which queues receive it, and what happens when their handlers fail, attempt by attempt.
        </p>
      ) : (
        <Explain routingKey={asked} />
      )}
    </>
  )
}

const tabs = [
  ["plan", "Plan"],
  ["map", "Map"],
  ["explain", "Explain"]
] as const

export const Topology = (): ReactNode => {
  const { query } = usePlace()
  const tab = tabs.find(([name]) => name === query.get("tab"))?.[0] ?? "plan"
  const command = useModuleCommand()
  const session = useSession()
  const again = useRefresh(topology)
  const result = useAtom(topology)
  const key = query.get("key")
  return (
    <>
      <Head
        title="Topology"
        tab="Topology"
        lead={<p>What the application needs on the broker, and what is there.</p>}
        command={tab === "explain" ? command(["explain", key ?? "invoice.paid.normal"]) : command(["topology", "plan"])}
        actions={
          tab === "explain" ? null : (
            <Button onClick={again} disabled={result.waiting}>
              {result.waiting ? "Asking …" : "Look again"}
            </Button>
          )
        }
      />
      <div className="segments" role="group" aria-label="View">
        {tabs.map(([name, text]) => (
          <Button
            key={name}
            kind="quiet"
            pressed={tab === name}
            onClick={() => setQuery({ tab: name === "plan" ? undefined : name })}
          >
            {text}
          </Button>
        ))}
      </div>
      {tab === "explain" ? (
        session?.features.explain.available === false ? (
          <Missing text={session.features.explain.reason} />
        ) : (
          <Ask />
        )
      ) : session?.features.topology.available === false ? (
        <Missing text={session.features.topology.reason} />
      ) : (
        <Loaded of={result} what="Comparing with the broker …" again={again} rows={7}>
          {(found) => (
            <>
              {tab === "plan" ? <Plan of={found} /> : <TopologyMap of={found.graph} />}
              <AsOf
                at={found.at}
                source={found.findings.length === 0 ? "Declared by the application" : "Asked of the broker"}
              />
            </>
          )}
        </Loaded>
      )}
    </>
  )
}

const Missing = (props: { readonly text: string | undefined }): ReactNode => (
  <Notice title="This console does not know the application">
    <p>
      <Foreign text={props.text ?? "Start it with the application's module."} />
    </p>
  </Notice>
)
