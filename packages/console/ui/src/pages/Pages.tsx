/** The page that the address names. */
import type { ReactNode } from "react"
import { Head } from "../parts/Head.tsx"
import { Link } from "../parts/Link.tsx"
import { Notice } from "../parts/Notice.tsx"
import { usePlace } from "../state/place.ts"
import { Contracts } from "./Contracts.tsx"
import { DeadLetterPage } from "./DeadLetterPage.tsx"
import { DeadLetters } from "./DeadLetters.tsx"
import { Doctor } from "./Doctor.tsx"
import { Edit } from "./Edit.tsx"
import { Jobs } from "./Jobs.tsx"
import { Outbox } from "./Outbox.tsx"
import { Overview } from "./Overview.tsx"
import { Queue } from "./Queue.tsx"
import { Schedule } from "./Schedule.tsx"
import { Tail } from "./Tail.tsx"
import { Topology } from "./Topology.tsx"
import { Trace } from "./Trace.tsx"

export const Pages = (): ReactNode => {
  const { page } = usePlace()
  switch (page._tag) {
    case "Overview":
      return <Overview />
    case "Queue":
      return <Queue key={page.queue} name={page.queue} />
    case "DeadLetters":
      return <DeadLetters key={page.queue} queue={page.queue} />
    case "DeadLetter":
      return <DeadLetterPage key={`${page.queue}\n${page.id}`} queue={page.queue} id={page.id} />
    case "Edit":
      return <Edit key={`${page.queue}\n${page.id}`} queue={page.queue} id={page.id} />
    case "Jobs":
      return <Jobs />
    case "Trace":
      return <Trace key={page.id} id={page.id} />
    case "Tail":
      return <Tail />
    case "Topology":
      return <Topology />
    case "Contracts":
      return <Contracts />
    case "Outbox":
      return <Outbox />
    case "Schedule":
      return <Schedule />
    case "Doctor":
      return <Doctor />
    case "Unknown":
      return (
        <>
          <Head title="Nothing is here" tab="Not found" />
          <Notice title="The console has no page at this address">
            <p>
              Go to the <Link to={{ _tag: "Overview" }}>overview</Link>.
            </p>
          </Notice>
        </>
      )
  }
}
