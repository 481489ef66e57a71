/**
 * Changes of a payload: found between two payloads, and made to others.
 *
 * @internal
 */

import * as Result from "effect/Result"
import type * as JobModel from "../ConsoleJob.ts"
import * as JsonText from "./jsonText.ts"

export type Change = typeof JobModel.Change.Type
type Node = JsonText.Node
type Path = ReadonlyArray<string>

const pointerOf = (path: Path): string =>
  path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")

const pathOf = (pointer: string): Path =>
  pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))

const childOf = (node: Node, name: string): Node | undefined => {
  if (node._tag === "Members") return node.members.get(name)
  return node._tag === "List" && /^(0|[1-9]\d*)$/.test(name) ? node.items[Number(name)] : undefined
}

/** Returns the value at the place of a change, if it is there. */
export const valueAt = (node: Node, { pointer }: Change): Node | undefined =>
  pathOf(pointer).reduce<Node | undefined>((at, name) => at && childOf(at, name), node)

const withChild = (node: Node, name: string, child: Node): Node => {
  if (node._tag === "Members") return { ...node, members: new Map(node.members).set(name, child) }
  return node._tag === "List" ? { ...node, items: node.items.with(Number(name), child) } : node
}

/** Finds the changes that make a value another one. */
export const between = (before: Node, after: Node, path: Path = []): ReadonlyArray<Change> => {
  if (JsonText.isSame(before, after)) return []
  if (before._tag === "List" && after._tag === "List" && before.items.length === after.items.length) {
    return after.items.flatMap((item, i) => between(before.items[i] ?? item, item, [...path, String(i)]))
  }
  if (before._tag !== "Members" || after._tag !== "Members") {
    return [{ _tag: "Set", pointer: pointerOf(path), value: JsonText.print(after) }]
  }
  const removed = new Map([...before.members].filter(([name]) => !after.members.has(name)))
  const renamed = new Map<string, string>()
  for (const [name, value] of after.members) {
    if (before.members.has(name)) continue
    const old = [...removed].filter(([, other]) => JsonText.isSame(other, value))
    // Of two that it could have been, neither was renamed for certain.
    if (old.length !== 1 || old[0] === undefined) continue
    renamed.set(name, old[0][0])
    removed.delete(old[0][0])
  }
  const at = (name: string) => pointerOf([...path, name])
  return [
    ...[...renamed].map(([name, old]): Change => ({ _tag: "Rename", pointer: at(old), name })),
    ...[...after.members].flatMap(([name, value]): ReadonlyArray<Change> => {
      const old = before.members.get(name)
      if (old !== undefined) return between(old, value, [...path, name])
      return renamed.has(name) ? [] : [{ _tag: "Set", pointer: at(name), value: JsonText.print(value) }]
    }),
    ...[...removed.keys()].map((name): Change => ({ _tag: "Remove", pointer: at(name) }))
  ]
}

type Changed = Result.Result<Node, string>

const set = (node: Node, name: string, value: Node, pointer: string): Changed => {
  if (node._tag === "Members" || childOf(node, name) !== undefined) return Result.succeed(withChild(node, name, value))
  return Result.fail(`it has no place for ${pointer}`)
}

const remove = (node: Node, name: string): Changed => {
  if (childOf(node, name) === undefined || node._tag === "Scalar") return Result.succeed(node)
  if (node._tag === "List") return Result.succeed({ ...node, items: node.items.toSpliced(Number(name), 1) })
  return Result.succeed({ ...node, members: new Map([...node.members].filter(([other]) => other !== name)) })
}

const rename = (node: Node, name: string, to: string, pointer: string): Changed => {
  if (node._tag !== "Members" || !node.members.has(name)) return Result.fail(`it has no ${pointer}`)
  if (node.members.has(to)) return Result.fail(`it has both ${pointer} and "${to}"`)
  const members = [...node.members].map(([other, value]) => [other === name ? to : other, value] as const)
  return Result.succeed({ ...node, members: new Map(members) })
}

const make = (change: Change, value: Node | undefined, node: Node, path: Path, depth = 0): Changed => {
  const name = path[depth]
  if (name === undefined) return Result.fail("the whole cannot be replaced")
  if (depth < path.length - 1) {
    const child = childOf(node, name)
    if (child !== undefined) {
      return Result.map(make(change, value, child, path, depth + 1), (made) => withChild(node, name, made))
    }
    return change._tag === "Remove"
      ? Result.succeed(node)
      : Result.fail(`it has no ${pointerOf(path.slice(0, depth + 1))}`)
  }
  switch (change._tag) {
    case "Set":
      return value === undefined
        ? Result.fail(`the value for ${change.pointer} is not JSON`)
        : set(node, name, value, change.pointer)
    case "Remove":
      return remove(node, name)
    case "Rename":
      return rename(node, name, change.name, change.pointer)
  }
}

/** Returns a function that makes changes to a value, one after the other, or says why they cannot be made to it. */
export const maker = (changes: ReadonlyArray<Change>): ((node: Node) => Changed) => {
  const parsed = changes.map((change) => ({
    change,
    path: pathOf(change.pointer),
    value: change._tag === "Set" ? JsonText.parse(change.value) : undefined
  }))
  return (node) =>
    parsed.reduce<Changed>(
      (made, { change, path, value }) => Result.flatMap(made, (node) => make(change, value, node, path)),
      Result.succeed(node)
    )
}
