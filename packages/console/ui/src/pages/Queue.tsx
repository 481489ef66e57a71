/** A queue: its counts, its subscriptions, and what happens to failures. */
import { type ReactNode, useState } from "react"
import type { Queue as QueueModel, Subscription } from "../../../src/ConsoleModel.ts"
import { Ask } from "../parts/Ask.tsx"
import { Age, AsOf } from "../parts/AsOf.tsx"
import { Bindings } from "../parts/Bindings.tsx"
import { Button } from "../parts/Button.tsx"
import { Charts } from "../parts/Chart.tsx"
import { Crumbs } from "../parts/Crumbs.tsx"
import { Head } from "../parts/Head.tsx"
import { LineMap } from "../parts/LineMap.tsx"
import { Link } from "../parts/Link.tsx"
import { Loaded } from "../parts/Loaded.tsx"
import { Notice } from "../parts/Notice.tsx"
import * as actions from "../state/actions.ts"
import { useAtom, useRefresh } from "../state/atoms.ts"
import { pulse } from "../state/live.ts"
import { queue as queueOf } from "../state/resources.ts"
import { useIsReadOnly, useSession } from "../state/session.ts"
import { command } from "../text/command.ts"
import { visible } from "../text/escape.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, counted, span, time } from "../text/format.ts"

type AnyQueue = typeof QueueModel.Type

const Counts = ({ queue }: { readonly queue: AnyQueue }): ReactNode => (
  <div className="counts">
    <LineMap
      waiting={queue.messages}
      consumers={queue.consumers}
      deadLetters={queue.deadLetters}
      isPaused={queue.subscriptions.some(({ state }) => state !== "running")}
    />
    <dl className="sums">
      <div>
        <dt>Waiting</dt>
        <dd>{count(queue.messages)}</dd>
      </div>
      <div>
        <dt>Consumers</dt>
        <dd className={queue.consumers === 0 ? "warn-text" : undefined}>
          {queue.consumers === 0 ? "none" : count(queue.consumers)}
        </dd>
      </div>
      <div>
        <dt>Dead letters</dt>
        <dd>
          {queue.deadLetters === undefined ? (
            "keeps none"
          ) : (
            <Link to={{ _tag: "DeadLetters", queue: queue.name }} className={queue.deadLetters > 0 ? "dead-text" : ""}>
              {count(queue.deadLetters)}
            </Link>
          )}
        </dd>
      </div>
    </dl>
  </div>
)

const Flow = (props: { readonly queue: AnyQueue; readonly onChange: () => void }): ReactNode => {
  const { onChange, queue } = props
  const [asked, setAsked] = useState<"pause" | "resume">()
  const isReadOnly = useIsReadOnly()
  const feature = useSession()?.features.pause
  if (queue.subscriptions.length === 0) {
    return feature?.available === false && feature.reason !== undefined ? (
      <p className="soft">
        <Foreign text={feature.reason} />
      </p>
    ) : null
  }
  return (
    <section aria-labelledby="flow">
      <h2 id="flow">Flow</h2>
      {queue.subscriptions.map((subscription, index) => (
        <div key={index} className="row">
          <span className={`tag ${subscription.state === "running" ? "good" : "warn"}`}>{subscription.state}</span>
          {subscription.by === undefined ? null : (
            <span>
              by <Foreign text={subscription.by} />
            </span>
          )}
          {subscription.since === undefined ? null : (
            <span className="soft">
              <Age at={subscription.since} />
            </span>
          )}
          {subscription.until === undefined ? null : <span className="soft">until {time(subscription.until)}</span>}
        </div>
      ))}
      {isReadOnly || feature?.available !== true ? null : (
        <div className="actions">
          {queue.subscriptions.some(({ state }) => state === "running") ? (
            <Button onClick={() => setAsked("pause")}>Pause …</Button>
          ) : null}
          {queue.subscriptions.some(({ state }) => state !== "running") ? (
            <Button kind="main" onClick={() => setAsked("resume")}>
              Resume …
            </Button>
          ) : null}
        </div>
      )}
      {asked === undefined ? null : (
        <Ask
          onClose={() => setAsked(undefined)}
          question={{
            title: (
              <>
                {asked === "pause" ? "Pause" : "Resume"} <Foreign text={queue.name} />?
              </>
            ),
            text:
              asked === "pause"
                ? "Its subscriptions take no more events until you resume them. Events that are being handled are finished, and others wait in the queue."
                : "Its subscriptions take events again.",
            yes: asked === "pause" ? "Pause it" : "Resume it",
            no: "Leave it",
            command: command([asked, queue.name]),
            act: () => (asked === "pause" ? actions.pause(queue.name) : actions.resume(queue.name)).then(onChange)
          }}
        />
      )}
    </section>
  )
}

const SubscriptionCard = ({ of }: { readonly of: typeof Subscription.Type }): ReactNode => (
  <article className="card">
    <dl className="facts">
      <div>
        <dt>Receives</dt>
        <dd>
          {of.patterns.map((pattern) => (
            <code key={pattern} className="chip">
              <Foreign text={pattern} />
            </code>
          ))}
        </dd>
      </div>
      <div>
        <dt>Events</dt>
        <dd>
          {of.events.length === 0
            ? "any type"
            : of.events.map((name) => (
                <code key={name} className="chip">
                  <Foreign text={name} />
                </code>
              ))}
        </dd>
      </div>
      <div>
        <dt>Guarantee</dt>
        <dd>{of.guarantee}</dd>
      </div>
      {of.concurrency === undefined ? null : (
        <div>
          <dt>At once</dt>
          <dd>{count(of.concurrency)}</dd>
        </div>
      )}
      {of.prefetch === undefined ? null : (
        <div>
          <dt>Handed out in advance</dt>
          <dd>{count(of.prefetch)}</dd>
        </div>
      )}
      {of.messageTtl === undefined ? null : (
        <div>
          <dt>Expires after</dt>
          <dd>{span(of.messageTtl)}</dd>
        </div>
      )}
    </dl>
    {of.policy.length === 0 ? null : (
      <>
        <h3>When its handler fails</h3>
        <ul className="lines">
          {of.policy.map((line) => (
            <li key={line}>
              <Foreign text={line} />
            </li>
          ))}
        </ul>
      </>
    )}
  </article>
)

export const Queue = ({ name }: { readonly name: string }): ReactNode => {
  const atom = queueOf(name)
  const result = useAtom(atom)
  const again = useRefresh(atom)
  const live = useAtom(pulse)
  const current = live?.queues.find((queue) => queue.name === name)
  return (
    <>
      <Head
        title={<Foreign text={name} />}
        tab={visible(name)}
        above={<Crumbs />}
        command={command(["queue", "info", name])}
        actions={
          <Link to={{ _tag: "DeadLetters", queue: name }} className="button main">
            Dead letters
          </Link>
        }
      />
      <Loaded of={result} what="Asking the broker …" again={again}>
        {(detail) => (
          <>
            {detail.queue.exists ? null : (
              <Notice tone="warn" title="The queue is not on the broker">
                <p>It is declared when the application starts. The topology page shows what is missing.</p>
              </Notice>
            )}
            <Counts queue={current ?? detail.queue} />
            <AsOf
              isLive
              at={live !== undefined && current !== undefined ? live.at : detail.at}
              source="Counts of the broker, every 2 s"
            />
            <Charts queue={name} />
            <Flow queue={current ?? detail.queue} onChange={again} />
            <section aria-labelledby="subscriptions">
              <h2 id="subscriptions">
                {detail.contract.length > 1 ? counted(detail.contract.length, "subscription") : "Subscription"}
              </h2>
              {detail.contract.length === 0 ? (
                <Notice title="No subscription is known">
                  <p>
                    Start the console with the application's module to see what it receives, and what it does when a
                    handler fails.
                  </p>
                </Notice>
              ) : (
                detail.contract.map((subscription, index) => <SubscriptionCard key={index} of={subscription} />)
              )}
            </section>
            <Bindings of={detail.bindings} />
          </>
        )}
      </Loaded>
    </>
  )
}
