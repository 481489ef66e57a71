/**
 * An index of patterns that finds those that match a routing key. The time depends on
 * the words of the key and on the patterns that match, not on those that don't.
 *
 * @internal
 */
interface Node<A> {
  readonly values: Set<A>
  readonly children: Map<string, Node<A>>
}

const makeNode = <A>(): Node<A> => ({ values: new Set(), children: new Map() })

export class TopicTrie<A> {
  private readonly root: Node<A> = makeNode()

  add(pattern: string, value: A): void {
    let node = this.root
    for (const word of pattern.split(".")) {
      const child = node.children.get(word) ?? makeNode<A>()
      node.children.set(word, child)
      node = child
    }
    node.values.add(value)
  }

  remove(value: A, node: Node<A> = this.root): void {
    node.values.delete(value)
    for (const [word, child] of node.children) {
      this.remove(value, child)
      if (child.values.size === 0 && child.children.size === 0) node.children.delete(word)
    }
  }

  match(key: string): Set<A> {
    const found = new Set<A>()
    const words = key.split(".")
    // Below a `#`, a node is visited only once for each word. Otherwise `#.#.#` would cost a power of three.
    const visited: Array<Set<Node<A>>> = []
    const visit = (node: Node<A> | undefined, at: number, isBelow: boolean): void => {
      if (node === undefined) return
      if (isBelow) {
        const seen = (visited[at] ??= new Set())
        if (seen.has(node)) return
        seen.add(node)
      }
      const word = words[at]
      if (word === undefined) node.values.forEach((value) => found.add(value))
      else {
        visit(node.children.get(word), at + 1, isBelow)
        visit(node.children.get("*"), at + 1, isBelow)
      }
      const any = node.children.get("#")
      if (any !== undefined) for (let next = at; next <= words.length; next++) visit(any, next, true)
    }
    visit(this.root, 0, false)
    return found
  }
}
