interface Node<T> {
  readonly item: T
  before: Node<T> | undefined
  after: Node<T> | undefined
}

/**
 * A set that knows its oldest item. The runtime's own `Set` does, too, but has to pass by all that were deleted from its
 * front: 6,000 items that come and go cost 40 µs each.
 */
export class OldestFirst<T> {
  readonly #nodes = new Map<T, Node<T>>()
  #first: Node<T> | undefined
  #last: Node<T> | undefined

  get size(): number {
    return this.#nodes.size
  }

  get oldest(): T | undefined {
    return this.#first?.item
  }

  /** An item that is in it keeps its place. */
  add(item: T): void {
    if (this.#nodes.has(item)) return
    const node: Node<T> = { item, before: this.#last, after: undefined }
    this.#nodes.set(item, node)
    if (this.#last) this.#last.after = node
    else this.#first = node
    this.#last = node
  }

  /** @returns whether it was in it */
  delete(item: T): boolean {
    const node = this.#nodes.get(item)
    if (!node) return false
    this.#nodes.delete(item)
    if (node.before) node.before.after = node.after
    else this.#first = node.after
    if (node.after) node.after.before = node.before
    else this.#last = node.before
    return true
  }
}
