import { Inspectable, Tracer } from "effect"

class RecordedSpan extends Tracer.NativeSpan {
  readonly #record: (span: string) => void

  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], record: (span: string) => void) {
    super(options)
    this.#record = record
  }

  override end(...args: Parameters<Tracer.NativeSpan["end"]>): void {
    super.end(...args)
    this.#record(Inspectable.toStringUnknown([this.name, [...this.attributes], this.events, this.status]))
  }
}

/** Makes a tracer that records the text of each span when it ends. */
export const make = (record: (span: string) => void): Tracer.Tracer =>
  Tracer.make({ span: (options) => new RecordedSpan(options, record) })
