/** The queues of the bus at a glance. */
import type { ReactNode } from "react"
import type { Pulse, Queue } from "../../../src/ConsoleModel.ts"
import { AsOf } from "../parts/AsOf.tsx"
import { CommandLine } from "../parts/Copy.tsx"
import { Head } from "../parts/Head.tsx"
import { LineMap } from "../parts/LineMap.tsx"
import { Link } from "../parts/Link.tsx"
import { Skeleton } from "../parts/Loaded.tsx"
import { Failed, Notice } from "../parts/Notice.tsx"
import { type Column, type Columns, Table } from "../parts/Table.tsx"
import { useAtom } from "../state/atoms.ts"
import { firstPulse, link, pulse } from "../state/live.ts"
import { useSession } from "../state/session.ts"
import { command } from "../text/command.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted, rate, span, time } from "../text/format.ts"

type AnyQueue = typeof Queue.Type

const Change = (props: {
  readonly now: number
  readonly before: number | undefined
  readonly since: number
}): ReactNode => {
  const { before, now, since } = props
  if (before === undefined || before === now) return null
  const change = now - before
  return (
    <span className={change > 0 ? "change up" : "change down"} title={`since ${time(since)}, when you opened the page`}>
      {change > 0 ? "+" : "−"}
      {count(Math.abs(change))}
    </span>
  )
}

const isPaused = ({ subscriptions }: AnyQueue): boolean => subscriptions.some(({ state }) => state !== "running")

type AnyRates = NonNullable<(typeof Pulse.Type)["rates"]>

/** The rates of the queues, of which the process of the console may handle some. */
const rateColumns = (rates: AnyRates): ReadonlyArray<Column<AnyQueue>> => {
  const byQueue = new Map(rates.queues.map((each) => [each.queue, each]))
  const cell = (value: number | undefined) =>
    value === undefined ? <span className="soft">not here</span> : rate(value)
  return [
    { name: "Handled", kind: "number", cell: ({ name }) => cell(byQueue.get(name)?.handled) },
    {
      name: "Failed",
      kind: "number",
      tone: ({ name }) => ((byQueue.get(name)?.failed ?? 0) > 0 ? "bad-text" : undefined),
      cell: ({ name }) => cell(byQueue.get(name)?.failed)
    }
  ]
}

const columnsOf = (first: typeof Pulse.Type, rates: AnyRates | undefined): Columns<AnyQueue> => {
  const before = new Map(first.queues.map((queue) => [queue.name, queue]))
  return [
    {
      name: "Queue",
      cell: (queue) => (
        <>
          <Link to={{ _tag: "Queue", queue: queue.name }}>
            <Foreign text={queue.name} />
          </Link>
          {isPaused(queue) ? <span className="tag warn">paused</span> : null}
          {queue.exists ? null : <span className="tag bad">not on the broker</span>}
        </>
      )
    },
    {
      name: "",
      kind: "drawing",
      cell: (queue) => (
        <LineMap
          waiting={queue.messages}
          consumers={queue.consumers}
          deadLetters={queue.deadLetters}
          isPaused={isPaused(queue)}
        />
      )
    },
    {
      name: "Waiting",
      kind: "number",
      cell: ({ messages, name }) => (
        <>
          {count(messages)} <Change now={messages} before={before.get(name)?.messages} since={first.at} />
        </>
      )
    },
    {
      name: "Consumers",
      kind: "number",
      tone: ({ consumers }) => (consumers === 0 ? "warn-text" : undefined),
      cell: ({ consumers }) => (consumers === 0 ? "none" : count(consumers))
    },
    ...(rates === undefined ? [] : rateColumns(rates)),
    {
      name: "Dead letters",
      kind: "number",
      cell: ({ deadLetters, name }) =>
        deadLetters === undefined ? (
          <span className="soft">keeps none</span>
        ) : (
          <>
            <Link
              to={{ _tag: "DeadLetters", queue: name }}
              className={deadLetters > 0 ? "dead-count" : "dead-count none"}
              label={`${count(deadLetters)} dead letters of ${name}`}
            >
              {count(deadLetters)}
            </Link>{" "}
            <Change now={deadLetters} before={before.get(name)?.deadLetters} since={first.at} />
          </>
        )
    }
  ]
}

const Sums = ({ now }: { readonly now: typeof Pulse.Type }): ReactNode => {
  const dead = now.queues.reduce((sum, { deadLetters = 0 }) => sum + deadLetters, 0)
  const waiting = now.queues.reduce((sum, { messages }) => sum + messages, 0)
  const unserved = now.queues.filter(({ consumers, messages }) => consumers === 0 && messages > 0).length
  return (
    <dl className="sums">
      <div>
        <dt>Dead letters</dt>
        <dd className={dead > 0 ? "dead-text" : undefined}>{count(dead)}</dd>
      </div>
      <div>
        <dt>Waiting</dt>
        <dd>{count(waiting)}</dd>
      </div>
      <div>
        <dt>Queues</dt>
        <dd>{count(now.queues.length)}</dd>
      </div>
      <div>
        <dt>Waiting without a consumer</dt>
        <dd className={unserved > 0 ? "warn-text" : undefined}>
          {unserved === 0 ? "none" : counted(unserved, "queue")}
        </dd>
      </div>
      {now.rates === undefined ? null : (
        <div>
          <dt>Published here</dt>
          <dd>{rate(now.rates.published)}</dd>
        </div>
      )}
    </dl>
  )
}

/** Where to go on when events have failed: to the queue with the most dead letters. */
const WhatFailed = ({ now }: { readonly now: typeof Pulse.Type }): ReactNode => {
  const failed = now.queues
    .filter(({ deadLetters = 0 }) => deadLetters > 0)
    .toSorted((a, b) => (b.deadLetters ?? 0) - (a.deadLetters ?? 0))
  const [worst] = failed
  if (worst === undefined) return null
  return (
    <p>
      A dead letter is an event that was not handled, and waits for you.{" "}
      <Link to={{ _tag: "DeadLetters", queue: worst.name }}>
        See why {count(worst.deadLetters ?? 0)} of <Foreign text={worst.name} /> failed
      </Link>
      {failed.length === 1 ? "." : `, or those of ${counted(failed.length - 1, "other queue")} below.`}
    </p>
  )
}

/** Where the rates come from and how old they are, or why there are none. */
const RatesLine = ({ of }: { readonly of: AnyRates | undefined }): ReactNode => {
  const feature = useSession()?.features.rates
  if (of !== undefined) {
    return (
      <AsOf isLive at={of.at} source={`Rates by the metrics of the console's own process, over ${span(of.over)}`} />
    )
  }
  if (feature === undefined) return null
  return <p className="as-of">{feature.reason ?? "Rates come with the next counts."}</p>
}

const Health = ({ now }: { readonly now: typeof Pulse.Type }): ReactNode => {
  const details = Object.entries(now.health.details)
  if (details.length === 0) return null
  return (
    <details className="fold">
      <summary>Health in detail</summary>
      <dl className="facts">
        {details.map(([name, value]) => (
          <div key={name}>
            <dt>
              <Foreign text={name} />
            </dt>
            <dd>
              <Foreign text={String(value)} />
            </dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

const NoQueue = (): ReactNode => (
  <Notice title="No queue is named">
    <p>AMQP has no list of queues. Start the console with your application's module, or name the queues:</p>
    <CommandLine text={command(["console"], { module: "./bus.ts" })} />
    <CommandLine text={command(["console"], { queue: "billing" })} />
  </Notice>
)

export const Overview = (): ReactNode => {
  const now = useAtom(pulse)
  const first = useAtom(firstPulse)
  const state = useAtom(link)
  const session = useSession()
  return (
    <>
      <Head
        title="Overview"
        tab="Overview"
        lead={
          session === undefined ? null : (
            <p>
              <Foreign text={session.title} /> on <Foreign text={session.broker} />.
            </p>
          )
        }
        command={command(["queue", "list"])}
      />
      {now === undefined ? (
        state._tag === "Lost" ? (
          <Failed problem={state.problem} />
        ) : (
          <Skeleton what="Asking the broker for its queues …" rows={5} />
        )
      ) : now.queues.length === 0 ? (
        <NoQueue />
      ) : (
        <div className={state._tag === "Lost" || now.failure !== undefined ? "stale" : undefined}>
          <Sums now={now} />
          <WhatFailed now={now} />
          <Table
            caption="Queues"
            className="queues"
            columns={columnsOf(first ?? now, now.rates)}
            rows={now.queues}
            keyOf={({ name }) => name}
          />
          <AsOf isLive at={now.at} source="Counts of the broker, every 2 s; changes are since you opened this page" />
          <RatesLine of={now.rates} />
          <Health now={now} />
        </div>
      )}
    </>
  )
}
