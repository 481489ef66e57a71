/** The bindings of a queue: the routing keys that lead to it, and what is known of them. */
import type { ReactNode } from "react"
import type { Bindings as BindingsModel } from "../../../src/ConsoleModel.ts"
import { Foreign } from "../text/Foreign.tsx"
import { AsOf } from "./AsOf.tsx"
import { Notice } from "./Notice.tsx"
import { Table } from "./Table.tsx"
import { TopologyState } from "./TopologyState.tsx"

const sources = {
  management: "Bindings by the management API of RabbitMQ",
  contract: "Bindings by the contract: RabbitMQ does not tell over AMQP whether they are there"
} as const

const Unknown = (): ReactNode => (
  <Notice title="No bindings are known">
    <p>
      RabbitMQ does not list them over AMQP. Start the console with the application's module, or with the address of the
      management API in <code>RABBITMQ_MANAGEMENT_URL</code>.
    </p>
  </Notice>
)

export const Bindings = ({ of }: { readonly of: typeof BindingsModel.Type | undefined }): ReactNode => (
  <section aria-labelledby="bindings">
    <h2 id="bindings">Bindings</h2>
    {of === undefined ? (
      <Unknown />
    ) : (
      <>
        {of.failure === undefined ? null : (
          <Notice tone="warn" title="The management API did not tell">
            <p>
              <Foreign text={of.failure} lines />
            </p>
          </Notice>
        )}
        {of.all.length === 0 ? (
          <p className="soft">None: only what is sent to the queue by its name arrives.</p>
        ) : (
          <Table
            caption="Bindings"
            className="stack-table"
            columns={[
              {
                name: "Routing key",
                cell: ({ key }) => (
                  <code className="chip">
                    <Foreign text={key} />
                  </code>
                )
              },
              { name: "Exchange", cell: ({ exchange }) => <Foreign text={exchange} /> },
              { name: "State", cell: ({ state }) => <TopologyState of={state} /> }
            ]}
            rows={of.all}
            keyOf={({ exchange, key }) => `${exchange} ${key}`}
          />
        )}
        <AsOf at={of.at} source={sources[of.source]} />
      </>
    )}
  </section>
)
