/**
 * Formats any value for the message of a fault. JSON stays JSON, and other values get a
 * notation of their own. A value that cannot be read leaves a gap and hides no other.
 *
 * @internal
 */

const maxDepth = 8
/** The number of members and items that are visited. */
const maxSteps = 1000
/** The largest integer that is written out: the time to do so is not linear. */
const mostShown = 10n ** 100n

/** Stands for a part that is left out. */
const gap = "…"

/** Returns the result of foreign code, or `undefined` if it throws. */
export const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** Returns a property of any value, or `undefined` if it cannot be read. */
export const get = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? attempt(() => Reflect.get(value, key)) : undefined

/** Returns the name of an object's class, unless it is one of JavaScript's own containers. */
export const classOf = (value: object): string | undefined => {
  const name = attempt(() => value.constructor.name)
  return typeof name === "string" && !["", "Object", "Array", "Map", "Set"].includes(name) ? name : undefined
}

const isView = (value: object): value is Uint8Array => ArrayBuffer.isView(value)

const none: ReadonlySet<string> = new Set()

/** Formats a value in so many characters at most, without some members of an object or an error. */
export const valueText = (value: unknown, atMost: number, without: ReadonlySet<string> = none): string => {
  const above = new Set<object>()
  let text = ""
  let steps = maxSteps
  const isFull = () => text.length >= atMost || steps <= 0

  const say = (part: string) => {
    text += part.slice(0, Math.max(0, atMost - text.length))
  }

  const sayAll = (open: string, items: Iterable<() => void>, close: string) => {
    say(open)
    let isFirst = true
    for (const item of items) {
      if (isFull()) {
        say(gap)
        break
      }
      if (!isFirst) say(",")
      isFirst = false
      steps--
      item()
    }
    say(close)
  }

  function* members(object: object, omitted: ReadonlySet<string>) {
    for (const key of Object.keys(object)) {
      steps--
      if (omitted.has(key)) continue
      const member = get(object, key)
      if (member === undefined || typeof member === "function") continue
      yield () => {
        say(`${JSON.stringify(key.slice(0, atMost))}:`)
        write(member)
      }
    }
  }

  function* entries(map: ReadonlyMap<unknown, unknown>) {
    for (const [key, item] of map) {
      yield () => {
        write(key)
        say(":")
        write(item)
      }
    }
  }

  function* items(values: Iterable<unknown>) {
    for (const item of values) yield () => write(item)
  }

  const writeObject = (object: object, omitted: ReadonlySet<string>) => {
    if (isView(object)) return say(`[${classOf(object)}: ${object.byteLength} bytes]`)
    if (Array.isArray(object)) return sayAll("[", items(object), "]")
    if (object instanceof Set) return sayAll("Set[", items(object), "]")
    if (object instanceof Map) return sayAll("Map{", entries(object), "}")
    if (object instanceof Error) {
      const isWithin = omitted.size === 0
      return isWithin ? write(`${object.name}: ${object.message}`) : sayAll("{", members(object, omitted), "}")
    }
    // Dates and values of Effect have this. Redacted values stay redacted.
    const toJson = get(object, "toJSON")
    if (typeof toJson === "function") return write(Reflect.apply(toJson, object, []))
    const name = classOf(object)
    if (name !== undefined && get(object, "toString") !== Object.prototype.toString) return say(String(object))
    const isBare = name !== undefined && Object.keys(object).length === 0
    return isBare ? say(`[${name}]`) : sayAll("{", members(object, omitted), "}")
  }

  const write = (value: unknown, omitted = none): void => {
    if (isFull()) return
    if (typeof value === "string") return say(JSON.stringify(value.slice(0, atMost)))
    if (typeof value === "bigint") return say(value < mostShown && value > -mostShown ? `${value}n` : gap)
    if (typeof value === "function") return say("[Function]")
    if (typeof value !== "object" || value === null) return say(String(value))
    if (above.has(value)) return say('"[Circular]"')
    if (above.size >= maxDepth) return say(gap)
    above.add(value)
    try {
      writeObject(value, omitted)
    } catch {
      say(gap)
    }
    above.delete(value)
  }

  write(value, without)
  return text
}
