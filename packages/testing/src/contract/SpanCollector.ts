import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { patiently } from "./Patience.ts"

class NotEnded extends Schema.TaggedError<NotEnded>()("NotEnded", { name: Schema.String }) {}

/** A tracer that keeps the spans of chosen effects. */
export class SpanCollector {
  /** The spans, in the order in which they started. */
  readonly all: Array<Tracer.NativeSpan> = []

  readonly #tracer: Tracer.Tracer

  constructor(sampled = true) {
    this.#tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan({ ...options, sampled: options.sampled && sampled })
        this.all.push(span)
        return span
      }
    })
  }

  readonly collect = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, Tracer.Tracer, this.#tracer)

  /** Returns the spans whose name is this word, or begins with it. */
  named(name: string): ReadonlyArray<Tracer.NativeSpan> {
    return this.all.filter((span) => span.name === name || span.name.startsWith(`${name} `))
  }

  /** Waits until a span of this name has ended, and returns it. */
  ended(name: string): Effect.Effect<Tracer.NativeSpan, NotEnded> {
    return Effect.suspend(() => {
      const span = this.named(name).find(({ status }) => status._tag === "Ended")
      return span === undefined ? Effect.fail(new NotEnded({ name })) : Effect.succeed(span)
    }).pipe(patiently)
  }

  /** Everything that the spans hold, as text. */
  get text(): string {
    return this.all
      .map(({ attributes, events, name, status }) =>
        Inspectable.toStringUnknown([name, [...attributes], events, status])
      )
      .join("\n")
  }
}
