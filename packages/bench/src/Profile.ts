/**
 * Attributes the time of a CPU profile to modules and functions.
 *
 * @since 0.1.0
 */

import { readFileSync } from "node:fs"
import * as Schema from "effect/Schema"

const CpuProfile = Schema.fromJsonString(
  Schema.Struct({
    nodes: Schema.Array(
      Schema.Struct({
        id: Schema.Int,
        callFrame: Schema.Struct({ functionName: Schema.String, url: Schema.String, lineNumber: Schema.Int })
      })
    ),
    samples: Schema.Array(Schema.Int),
    timeDeltas: Schema.Array(Schema.Int)
  })
)

/**
 * A share of the time in which the process did something.
 *
 * @category models
 * @since 0.1.0
 */
export interface Share {
  readonly name: string
  readonly share: number
}

/**
 * A profile, summed up: the time spent in functions themselves, not in what they call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Profile {
  readonly modules: ReadonlyArray<Share>
  readonly functions: ReadonlyArray<Share>
}

/** `amqplib`, `effect/internal/effect`, `amqp/AmqpPublisher`, `node:net`, `(garbage collector)`. */
const moduleOf = (url: string, functionName: string): string => {
  if (url === "") return functionName.startsWith("(") ? functionName : "(native)"
  const [, own, file] = /\/packages\/(\w+)\/src\/(.*)\.ts$/.exec(url) ?? []
  if (own !== undefined) return `${own}/${file}`
  const [, dependency = url, path = ""] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)\.\w+$/.exec(url) ?? []
  return dependency === "effect" || dependency === "amqplib"
    ? `${dependency}/${path.replace(/^(src|dist|lib)\//, "")}`
    : dependency
}

const shares = (times: ReadonlyMap<string, number>, total: number): ReadonlyArray<Share> =>
  Array.from(times, ([name, time]) => ({ name, share: time / total })).toSorted((a, b) => b.share - a.share)

/**
 * Reads a `.cpuprofile`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (file: string): Profile => {
  const { nodes, samples, timeDeltas } = Schema.decodeSync(CpuProfile)(readFileSync(file, "utf8"))
  const frames = new Map(nodes.map(({ callFrame, id }) => [id, callFrame]))
  const modules = new Map<string, number>()
  const functions = new Map<string, number>()
  let total = 0
  for (const [i, id] of samples.entries()) {
    const frame = frames.get(id)
    if (frame === undefined || frame.functionName === "(idle)") continue
    // A sample lasts until the next one.
    const time = timeDeltas[i + 1] ?? 0
    const module = moduleOf(frame.url, frame.functionName)
    const name = frame.functionName.startsWith("(")
      ? module
      : `${frame.url === "" ? module : `${module}:${frame.lineNumber + 1}`} ${frame.functionName || "(anonymous)"}`
    total += time
    modules.set(module, (modules.get(module) ?? 0) + time)
    functions.set(name, (functions.get(name) ?? 0) + time)
  }
  return { modules: shares(modules, total), functions: shares(functions, total) }
}
