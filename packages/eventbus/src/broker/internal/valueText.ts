/**
 * Shows any value as text, for the message of a fault: as JSON where it is JSON, and
 * where it is not, as much of it as can be shown. What cannot be read leaves a gap, and
 * takes nothing else with it.
 *
 * @internal
 */

const maxDepth = 8
/** How many members and items are looked at, whatever is to be said of them. */
const maxSteps = 1000
/** To write a number of a million digits takes longer than to make it. */
const mostShown = 10n ** 100n

/** Stands for what is left out. */
const gap = "…"

/** What a piece of foreign code returns, or `undefined` where it throws. */
export const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** A property of any value, or `undefined` where it cannot be read. */
export const get = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? attempt(() => Reflect.get(value, key)) : undefined

/** The name of the class of an object, where it is not one of JavaScript's own containers. */
export const classOf = (value: object): string | undefined => {
  const name = attempt(() => value.constructor.name)
  return typeof name === "string" && !["", "Object", "Array", "Map", "Set"].includes(name) ? name : undefined
}

const isView = (value: object): value is Uint8Array => ArrayBuffer.isView(value)

const none: ReadonlySet<string> = new Set()

/** Shows a value in so many characters at most. Of an object, or an error, some members may be left out. */
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
    // Dates, and values of Effect; what is redacted stays so.
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
