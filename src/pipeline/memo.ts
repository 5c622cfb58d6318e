/** Functions of immutable objects → the same functions, remembering. Pure as seen from outside: results are equal to fresh ones. */

/** One result for each object; forgotten with it. */
export function remembered<Key extends object, Result>(compute: (key: Key) => Result): (key: Key) => Result {
  const results = new WeakMap<Key, { readonly result: Result }>()
  return (key) => {
    let known = results.get(key)
    if (known === undefined) results.set(key, (known = { result: compute(key) }))
    return known.result
  }
}

/** One result for each list of the same objects in the same order. */
export function rememberedList<Key extends object, Result>(
  compute: (keys: readonly Key[]) => Result,
): (keys: readonly Key[]) => Result {
  interface Node {
    readonly next: WeakMap<Key, Node>
    found?: { readonly result: Result }
  }
  const root: Node = { next: new WeakMap() }
  return (keys) => {
    let node = root
    for (const key of keys) {
      let next = node.next.get(key)
      if (next === undefined) node.next.set(key, (next = { next: new WeakMap() }))
      node = next
    }
    node.found ??= { result: compute(keys) }
    return node.found.result
  }
}

/** Changed copies: the same object and the same reason give the same copy, so that what follows remembers too. */
export class Copies<Item extends object> {
  readonly #known = new WeakMap<Item, Map<string, Item>>()

  of(item: Item, reason: string, copy: () => Item): Item {
    let copies = this.#known.get(item)
    if (copies === undefined) this.#known.set(item, (copies = new Map()))
    let known = copies.get(reason)
    if (known === undefined) copies.set(reason, (known = copy()))
    return known
  }
}

/** The list itself where nothing in it changed. */
export function mapSame<Item>(list: readonly Item[], change: (item: Item) => Item): readonly Item[] {
  let changed: Item[] | undefined
  list.forEach((item, index) => {
    const now = change(item)
    if (now === item && changed === undefined) return
    changed ??= list.slice(0, index)
    changed.push(now)
  })
  return changed ?? list
}

export function filterSame<Item>(list: readonly Item[], keep: (item: Item) => boolean): readonly Item[] {
  const kept = list.filter(keep)
  return kept.length === list.length ? list : kept
}
