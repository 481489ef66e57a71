/** The fate of an event: the queues that receive it, and what becomes of failures. */
import type { ReactNode } from "react"
import type { Explanation, Outcome } from "../../../src/ConsoleInspection.ts"
import { Foreign } from "../text/Foreign.tsx"
import { count, delay, span } from "../text/format.ts"
import { Link } from "./Link.tsx"
import { Notice } from "./Notice.tsx"

type AnyOutcome = typeof Outcome.Type

const delayText = ({ least, most }: { readonly least: number; readonly most: number }): string =>
  least === most ? delay(least) : `${delay(least)}–${delay(most)}`

const maxSteps = 8

/** Attempts as stops, the delays between them, and the end. The sentence above says the same. */
const Steps = ({ of }: { readonly of: AnyOutcome }): ReactNode => (
  <ol className="steps" aria-hidden="true">
    <li className="step">1</li>
    {of.delays.slice(0, maxSteps).map((pause, index) => (
      <li key={index} className="step later">
        <span className="step-delay">{delayText(pause)}</span>
        {index + 2}
      </li>
    ))}
    {of.delays.length > maxSteps ? <li className="step-more">…</li> : null}
    <li className={of.end === "dead-lettered" || of.end === "discarded" ? "step-end dead" : "step-end"}>
      {of.isEndless ? "and so on" : of.end}
    </li>
  </ol>
)

export const ExplanationView = ({ of }: { readonly of: typeof Explanation.Type }): ReactNode => {
  if (of.receivers.length === 0) {
    return (
      <Notice tone="warn" title="No queue receives it">
        <p>
          An event with the key{" "}
          <code>
            <Foreign text={of.routingKey} />
          </code>{" "}
          is unroutable: no pattern of the contract matches.
        </p>
      </Notice>
    )
  }
  return (
    <>
      {of.receivers.map((receiver, index) => (
        <article key={index} className="card">
          <h2>
            <Link to={{ _tag: "Queue", queue: receiver.queue }}>
              <Foreign text={receiver.queue} />
            </Link>
          </h2>
          {receiver.isKnownType ? null : <p className="warn-text">Its handler does not know this type.</p>}
          <p className="soft">
            by{" "}
            {receiver.patterns.map((pattern) => (
              <code key={pattern} className="chip">
                <Foreign text={pattern} />
              </code>
            ))}{" "}
            {receiver.atMostOnce ? "at most once" : "at least once"}
            {receiver.concurrency === undefined ? "" : `, ${count(receiver.concurrency)} at once`}
            {receiver.timeout === undefined ? "" : `, at most ${span(receiver.timeout)} each`}
          </p>
          {receiver.holdFor === undefined ? null : (
            <p className="soft">
              Events of a key are handled in their order. A failing one is retried in its place for{" "}
              {span(receiver.holdFor)} at most, and its dead letter parks the key.
            </p>
          )}
          {receiver.outcomes === undefined ? (
            <p className="soft">The contract has no handler of this queue.</p>
          ) : (
            <dl className="outcomes">
              {receiver.outcomes.map((outcome) => (
                <div key={outcome.failure}>
                  <dt>
                    <Foreign text={outcome.failure} />
                  </dt>
                  <dd>
                    <Foreign text={outcome.text} />
                    {outcome.delays.length === 0 ? null : <Steps of={outcome} />}
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </article>
      ))}
    </>
  )
}
