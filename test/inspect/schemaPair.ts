import type { JsonSchema } from "effect"

export type Schema = JsonSchema.JsonSchema

/** Two schemas, of a publisher and of a consumer, and the reasons why one refuses what the other allows. */
export interface Pair {
  readonly what: string
  readonly writer: Schema
  readonly reader: Schema
  /** The definitions of the reader. */
  readonly definitions?: JsonSchema.Definitions
  readonly writerDefinitions?: JsonSchema.Definitions
  readonly reasons: ReadonlyArray<string>
}

export const object = (properties: Record<string, Schema>, required = Object.keys(properties)): Schema => ({
  type: "object",
  properties,
  required,
  additionalProperties: false
})
export const [integer, text] = [{ type: "integer" }, { type: "string" }]
export const several = ["the payload may be more than one of its alternatives"]
