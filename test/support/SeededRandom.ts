/** A generator of random numbers that depend on a seed alone (mulberry32), so that a run can be repeated. */
export class SeededRandom {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Returns a number from 0 up to but excluding 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** Returns a whole number from `least` to `most`. */
  int(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  pick<A>(values: readonly [A, ...ReadonlyArray<A>]): A {
    return values[this.int(0, values.length - 1)] ?? values[0]
  }

  /** Returns a generator for a label, so that the parts of a run do not influence each other. */
  static of(seed: number, label: string): SeededRandom {
    let hash = seed >>> 0
    for (const char of label) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0
    return new SeededRandom(hash)
  }
}
