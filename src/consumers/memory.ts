/** Nothing → a store in this process, gone with it: what Express Gateway calls `emulate: true`. */
import { applyChange, type Entry, type Fields, guardHolds, InvalidCursor, type Store } from './store.ts'

export function memoryStore(now: () => number = Date.now): Store {
  const entries = new Map<string, Entry>()
  const read = (key: string): Entry | undefined => {
    const entry = entries.get(key)
    if (entry?.kind === 'text' && entry.expiresAt !== 0 && entry.expiresAt <= now()) {
      entries.delete(key)
      return undefined
    }
    return entry
  }
  const hash = (key: string): Fields | undefined => {
    const entry = entries.get(key)
    return entry?.kind === 'hash' ? entry.fields : undefined
  }
  let writesUntilSweep = sweepEvery
  return {
    kind: 'memory',
    hash,
    hashes: (keys) => keys.map(hash),
    members: (key) => {
      const entry = entries.get(key)
      return entry?.kind === 'set' ? entry.members : []
    },
    text: (key) => {
      const entry = read(key)
      return entry?.kind === 'text' ? entry.text : undefined
    },
    scan: (prefix, cursor, count) =>
      pageOf(
        [...entries.keys()].filter((key) => key.startsWith(prefix)),
        cursor,
        count,
      ),
    write: (changes, guard) => {
      if (!guardHolds(guard, read)) return Promise.resolve(false)
      // computed whole before anything is set: a change that throws leaves the store as it was
      const after = new Map<string, Entry | undefined>()
      try {
        for (const change of changes) {
          const before = after.has(change.key) ? after.get(change.key) : read(change.key)
          after.set(change.key, applyChange(before, change, now()))
        }
      } catch (error) {
        return Promise.reject(error)
      }
      for (const [key, entry] of after) {
        if (entry === undefined) entries.delete(key)
        else entries.set(key, entry)
      }
      if (--writesUntilSweep === 0) {
        writesUntilSweep = sweepEvery
        for (const key of entries.keys()) read(key)
      }
      return Promise.resolve(true)
    },
    onState: () => undefined,
    close: () => Promise.resolve(),
  }
}

/** Texts whose time is over are dropped when read, and all of them every so many writes. */
const sweepEvery = 1024

/** All keys, a cursor and a size → one page of them; the cursor is how many came before. */
function pageOf(keys: readonly string[], cursor: string, count: number): { keys: readonly string[]; next: string } {
  const start = offsetOf(cursor)
  const end = start + Math.max(1, count)
  return { keys: keys.slice(start, end), next: end < keys.length ? String(end) : '0' }
}

export function offsetOf(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) throw new InvalidCursor()
  return Number(cursor)
}
