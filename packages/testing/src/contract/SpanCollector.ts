import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { patiently } from "./Patience.ts"

class NotEnded extends Schema.TaggedError<NotEnded>()("NotEnded", { name: Schema.String }) {}

/** Keeps the spans of those effects that it is asked to. */
export class Collector {
  /** In the order in which they started. */
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

  /** The spans with a name, or with one that begins with this word. */
  named(name: string): ReadonlyArray<Tracer.NativeSpan> {
    return this.all.filter((span) => span.name === name || span.name.startsWith(`${name} `))
  }

  /** The first span with a name, as soon as it has ended. */
  ended(name: string): Effect.Effect<Tracer.NativeSpan, NotEnded> {
    return Effect.suspend(() => {
      const span = this.named(name).find(({ status }) => status._tag === "Ended")
      return span === undefined ? Effect.fail(new NotEnded({ name })) : Effect.succeed(span)
    }).pipe(patiently)
  }

  /** All that the spans tell. */
  get text(): string {
    return this.all
      .map(({ attributes, events, name, status }) =>
        Inspectable.toStringUnknown([name, [...attributes], events, status])
      )
      .join("\n")
  }
}
