/**
 * The order in which routes are tried (HTTPRouteRule.matches, GRPCRouteRule.matches, and the precedence of hostnames).
 * Entries carry their keys, so that a changed route is merged into the sorted list and nobody else is sorted again. Pure.
 */
import { compareText } from './resources.ts'

/** Compared from left to right; the larger number goes first. */
export type Rank = readonly number[]

export interface Ranked {
  readonly rank: Rank
  /** creationTimestamp, then `namespace/name`: the smaller goes first. */
  readonly age: string
  readonly name: string
  /** Rule, then match: the smaller goes first. */
  readonly place: number
}

function compareRanked(left: Ranked, right: Ranked): number {
  const length = Math.max(left.rank.length, right.rank.length)
  for (let index = 0; index < length; index++) {
    const difference = (right.rank[index] ?? 0) - (left.rank[index] ?? 0)
    if (difference !== 0) return difference
  }
  return compareText(left.age, right.age) || compareText(left.name, right.name) || left.place - right.place
}

/** The sorted list of before, without what is gone and with what is new. Sorts only what is new. */
export class Order<Item extends Ranked> {
  #owners: ReadonlySet<object> = new Set()
  #sorted: readonly Item[] = []
  readonly #ownerOf = new WeakMap<Item, object>()

  /** `owners` hold the items; an owner that is the same object holds the same items. */
  update<Owner extends object>(owners: readonly Owner[], itemsOf: (owner: Owner) => readonly Item[]): readonly Item[] {
    const now = new Set<object>(owners)
    const fresh: Item[] = []
    for (const owner of owners) {
      if (this.#owners.has(owner)) continue
      for (const item of itemsOf(owner)) {
        this.#ownerOf.set(item, owner)
        fresh.push(item)
      }
    }
    let gone = false
    for (const owner of this.#owners) gone ||= !now.has(owner)
    if (fresh.length > 0 || gone) {
      const kept = gone ? this.#sorted.filter((item) => now.has(this.#ownerOf.get(item)!)) : this.#sorted
      this.#sorted = mergeSorted(kept, fresh.sort(compareRanked))
    }
    this.#owners = now
    return this.#sorted
  }
}

function mergeSorted<Item extends Ranked>(left: readonly Item[], right: readonly Item[]): readonly Item[] {
  if (right.length === 0) return left
  if (left.length === 0) return right
  const result: Item[] = []
  let from = 0
  for (const item of right) {
    // binary search: the fresh ones are few, the kept ones many
    let low = from
    let high = left.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareRanked(left[middle]!, item) <= 0) low = middle + 1
      else high = middle
    }
    for (let index = from; index < low; index++) result.push(left[index]!)
    result.push(item)
    from = low
  }
  for (let index = from; index < left.length; index++) result.push(left[index]!)
  return result
}
