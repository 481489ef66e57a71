import { ContractLock, Corpus } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { EventType } from "effect-eventbus"
import { difference } from "../../packages/inspect/src/internal/schemaDifference.ts"
import { SeededRandom } from "../support/SeededRandom.ts"
import { pairs } from "./schemaPairs.ts"

/** A schema as data, so that a change of it can be drawn. */
type Shape =
  | { readonly kind: "text"; readonly most: number | undefined }
  | { readonly kind: "number"; readonly isWhole: boolean; readonly least: number; readonly isStrict: boolean }
  | { readonly kind: "boolean" }
  | { readonly kind: "literals"; readonly values: ReadonlyArray<string> }
  | { readonly kind: "list" | "record"; readonly of: Shape }
  | { readonly kind: "tuple"; readonly items: ReadonlyArray<Shape> }
  | { readonly kind: "struct"; readonly fields: Readonly<Record<string, Field>> }
  | { readonly kind: "union"; readonly members: ReadonlyArray<Shape>; readonly isExclusive: boolean }

interface Field {
  readonly shape: Shape
  readonly isOptional: boolean
}

const schemaOf = (shape: Shape): Schema.ConstraintCodec<unknown, unknown> => {
  switch (shape.kind) {
    case "text":
      return shape.most === undefined ? Schema.String : Schema.String.check(Schema.isMaxLength(shape.most))
    case "number": {
      const bound = shape.isStrict ? Schema.isGreaterThan : Schema.isGreaterThanOrEqualTo
      return (shape.isWhole ? Schema.Int : Schema.Finite).check(bound(shape.least))
    }
    case "boolean":
      return Schema.Boolean
    case "literals":
      return Schema.Literals(shape.values)
    case "list":
      return Schema.Array(schemaOf(shape.of))
    case "record":
      return Schema.Record(Schema.String, schemaOf(shape.of))
    case "tuple":
      return Schema.Tuple(shape.items.map(schemaOf))
    case "struct":
      return Schema.Struct(
        Object.fromEntries(
          Object.entries(shape.fields).map(([key, field]) => {
            const schema = schemaOf(field.shape)
            return [key, field.isOptional ? Schema.optionalKey(schema) : schema]
          })
        )
      )
    case "union": {
      // Effect writes `anyOf` for alternatives that JSON Schema does not tell exactly, such as texts of a length. That they
      // exclude each other is then found by the corpus alone.
      const isExclusive = shape.isExclusive && !/"most":\d/.test(JSON.stringify(shape.members))
      return Schema.Union(shape.members.map(schemaOf), { mode: isExclusive ? "oneOf" : "anyOf" })
    }
  }
}

const drawing = (random: SeededRandom) => {
  const chance = (oneOf: number) => random.int(1, oneOf) === 1
  const some = <A>(most: number, make: () => A) => Array.from({ length: random.int(1, most) }, make)
  const bound = () => random.int(-2, 3)

  const field = (depth: number): Field => ({ shape: shape(depth), isOptional: chance(2) })
  const fields = (depth: number) =>
    Object.fromEntries(["x", "y", "z"].slice(0, random.int(1, 3)).map((key) => [key, field(depth)]))

  const shape = (depth: number): Shape => {
    switch (random.int(1, depth > 0 ? 10 : 5)) {
      case 1:
        return { kind: "text", most: chance(2) ? undefined : random.int(0, 4) }
      case 2:
      case 3:
        return { kind: "number", isWhole: chance(2), least: bound(), isStrict: chance(2) }
      case 4:
        return { kind: "boolean" }
      case 5:
        return { kind: "literals", values: ["p", "q", "r", "long"].filter(() => chance(2)).concat("s") }
      case 6:
        return { kind: chance(2) ? "list" : "record", of: shape(depth - 1) }
      case 7:
        return { kind: "tuple", items: some(2, () => shape(depth - 1)) }
      case 8:
      case 9:
        return { kind: "struct", fields: fields(depth - 1) }
      default:
        return { kind: "union", members: some(3, () => shape(depth - 1)), isExclusive: chance(3) }
    }
  }

  const changedAt = <A>(all: ReadonlyArray<A>, change: (one: A) => A): ReadonlyArray<A> => {
    const index = random.int(0, all.length - 1)
    return all.map((one, each) => (each === index ? change(one) : one))
  }

  /** Changes one place of a shape, or nothing. */
  const changed = (old: Shape): Shape => {
    if (chance(12)) return shape(1)
    if (chance(6)) return { kind: "union", members: [old, shape(0)], isExclusive: false }
    switch (old.kind) {
      case "text":
        return { kind: "text", most: chance(2) ? undefined : random.int(0, 4) }
      case "number":
        return { ...old, isWhole: chance(2), least: bound(), isStrict: chance(2) }
      case "boolean":
        return old
      case "literals":
        return chance(3)
          ? { kind: "text", most: random.int(0, 4) }
          : { ...old, values: [...new Set([...old.values.filter(() => !chance(3)), "s"])] }
      case "list":
      case "record":
        return { ...old, of: changed(old.of) }
      case "tuple":
        return chance(4)
          ? { ...old, items: [...old.items, shape(0)] }
          : { ...old, items: changedAt(old.items, changed) }
      case "struct":
        if (chance(6)) return { kind: "record", of: shape(0) }
        return {
          ...old,
          fields: Object.fromEntries([
            ...changedAt<readonly [string, Field]>(Object.entries(old.fields), ([key, { isOptional, shape }]) => [
              key,
              chance(2) ? { shape, isOptional: !isOptional } : { isOptional, shape: changed(shape) }
            ]),
            ...(chance(3) ? [["w", field(0)] as const] : [])
          ])
        }
      case "union":
        if (chance(3)) return { ...old, isExclusive: !old.isExclusive }
        return chance(2)
          ? { ...old, members: changedAt(old.members, changed) }
          : { ...old, members: [...old.members, shape(0)] }
    }
  }
  return { shape, changed }
}

const typed = (shape: Shape, version: number) =>
  EventType.make("drawn", { version, payload: Schema.Struct({ a: schemaOf(shape) }) })

describe("schemaDifference", () => {
  for (const { definitions = {}, reader, reasons, what, writer, writerDefinitions = {} } of pairs) {
    it(`tells of ${what}: ${reasons.length === 0 ? "compatible" : reasons.join(", ")}`, () => {
      const found = difference({ schema: writer, definitions: writerDefinitions }, { schema: reader, definitions })
      assert.deepStrictEqual(found, reasons)
    })
  }

  for (const seed of [1, 2, 3, 4]) {
    it.effect(`takes no change for compatible that refuses a payload: random schemas ${seed}`, () =>
      Effect.gen(function* () {
        const { changed, shape } = drawing(new SeededRandom(seed))
        let [compatible, refused] = [0, 0]
        for (let pair = 0; pair < 150; pair++) {
          const old = shape(2)
          const now = changed(old)
          // Another version, for arbitrary values that depend on both.
          const [writer, reader] = [typed(old, pair + 1), typed(now, 1000)]
          const reasons = difference(yield* ContractLock.describe(writer), yield* ContractLock.describe(reader))
          const payloads = yield* Corpus.arbitrary(writer)
          const isRefused = payloads.slice(0, 60).find((payload) => Result.isFailure(reader.decodePayload(payload)))
          if (isRefused !== undefined) refused++
          if (reasons.length > 0) continue
          if (JSON.stringify(old) !== JSON.stringify(now)) compatible++
          assert.isUndefined(isRefused, JSON.stringify([old, now, isRefused]))
        }
        // Otherwise it proves nothing.
        assert.isAtLeast(compatible, 20)
        assert.isAtLeast(refused, 20)
      })
    )
  }
})
