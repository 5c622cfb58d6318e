/** A list, and the list that follows it → what stays of the first, and keys that put the second in order. Pure. */
import type { Work } from '../../../lib/turns.ts'

/** Where no item of the list before is meant, and where there is no key yet. */
export const NONE = -1

/**
 * For each of `after` its place in `before`, increasing; NONE for what is new and for what moved. As many stay as can in
 * order (a longest increasing subsequence).
 */
export function* placesOf<Before, T>(
  before: readonly Before[],
  valueOf: (item: Before) => T,
  after: readonly T[],
): Work<Int32Array> {
  const old = (place: number): T => valueOf(before[place] as Before)
  const places = new Int32Array(after.length).fill(NONE)
  const shorter = Math.min(before.length, after.length)
  let first = 0
  while (first < shorter && old(first) === after[first]) places[first] = first++
  let tail = 0
  while (tail < shorter - first && old(before.length - 1 - tail) === after[after.length - 1 - tail]) {
    tail++
    places[after.length - tail] = before.length - tail
  }
  yield
  const end = after.length - tail
  const known = new Map<T, number>()
  for (let place = first; place < before.length - tail; place++) {
    known.set(old(place), place)
    if (place % 256 === 255) yield
  }
  if (known.size === 0) return places
  // smallest[length]: the item with which an increasing run of that length ends lowest
  const smallest: number[] = []
  const candidates = new Int32Array(after.length)
  const previous = new Int32Array(after.length).fill(NONE)
  const placeOfRun = (length: number): number => candidates[smallest[length] ?? 0] ?? NONE
  for (let at = first; at < end; at++) {
    if (at % 256 === 255) yield
    const place = known.get(after[at] as T)
    if (place === undefined) continue
    candidates[at] = place
    let low = 0
    let high = smallest.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (placeOfRun(middle) < place) low = middle + 1
      else high = middle
    }
    if (low > 0) previous[at] = smallest[low - 1] ?? NONE
    smallest[low] = at
  }
  for (let at = smallest.at(-1) ?? NONE; at !== NONE; at = previous[at] ?? NONE) places[at] = candidates[at] ?? NONE
  return places
}

/** Keys are small integers for the machine, and lie so far apart that many find room between two. */
const MOST = 2 ** 30
const APART = 2 ** 14
/** Where some have to move to make room, they make it for the next ones, too. */
const ROOM = 32

/** Increasing keys, from 0. What stays keeps its own, but for neighbours of those that would find no room between. */
export function keysOf(places: Int32Array, keyAt: (place: number) => number): Int32Array {
  const keys = places.map((place) => (place === NONE ? NONE : keyAt(place)))
  const count = keys.length
  const at = (place: number): number => keys[place] ?? NONE
  for (let place = 0; place < count; place++) {
    if (at(place) !== NONE) continue
    let first = place
    let end = place + 1
    let wanted = 1
    for (;;) {
      while (end < count && at(end) === NONE) end++
      const fresh = end - first
      const low = first === 0 ? NONE : at(first - 1)
      const high = end === count ? Math.min(MOST, low + (fresh + 1) * APART) : at(end)
      const step = (high - low) / (fresh + 1)
      if (step >= wanted || (first === 0 && end === count)) {
        for (let turn = 1; turn <= fresh; turn++) keys[first + turn - 1] = low + Math.floor(turn * step)
        break
      }
      first = Math.max(0, first - fresh)
      end = Math.min(count, end + fresh)
      wanted = ROOM
    }
    place = end - 1
  }
  return keys
}
