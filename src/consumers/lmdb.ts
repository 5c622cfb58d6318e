/** A folder → the embedded store: LMDB, shared by all processes of the machine that open it. */
import { mkdirSync } from 'node:fs'
import { open } from 'lmdb'
import { StoreUnavailable } from '../policies/services.ts'
import { offsetOf } from './memory.ts'
import { applyChange, type Entry, guardHolds, type Store } from './store.ts'

export interface LmdbOptions {
  /** A folder; made when missing, readable for its owner only. */
  readonly path: string
  readonly now?: () => number
  /** How many entries are remembered unpacked; default 20,000. */
  readonly remembered?: number
}

/**
 * Reads see what other processes have committed: unpacked entries are remembered only while the generation, a counter
 * that every write moves, stands where it stood. `write` resolves when the data is on the disk.
 */
export function lmdbStore({ path, now = Date.now, remembered = 20_000 }: LmdbOptions): Store {
  const db = openFolder(path)
  let memory = new Map<string, Entry | undefined>()
  let generation: unknown
  let writesUntilSweep = sweepEvery

  const stored = (key: string): Entry | undefined => {
    if (key.length > longestKey) return undefined
    const entry = asked(() => db.get(key) as Entry | undefined)
    if (entry?.kind === 'text' && entry.expiresAt !== 0 && entry.expiresAt <= now()) return undefined
    return entry === undefined ? undefined : freeze(entry)
  }
  const read = (key: string): Entry | undefined => {
    const current = asked(() => db.get(generationKey) as unknown)
    if (current !== generation || memory.size >= remembered) {
      memory = new Map()
      generation = current
    }
    const known = memory.get(key)
    if (known !== undefined) return known
    const entry = stored(key)
    // only what is there is remembered: a flood of keys that are not must not push out those that are
    if (entry !== undefined && entry.kind !== 'text') memory.set(key, entry)
    return entry
  }
  const hash = (key: string) => {
    const entry = read(key)
    return entry?.kind === 'hash' ? entry.fields : undefined
  }
  const sweep = (): void => {
    for (const { key, value } of db.getRange({ start: '', limit: 1_000_000 })) {
      const entry = value as Entry | number
      if (typeof entry === 'object' && entry.kind === 'text' && entry.expiresAt !== 0 && entry.expiresAt <= now()) {
        db.removeSync(key)
      }
    }
  }

  return {
    kind: 'lmdb',
    hash,
    hashes: (keys) => keys.map(hash),
    members: (key) => {
      const entry = read(key)
      return entry?.kind === 'set' ? entry.members : []
    },
    text: (key) => {
      const entry = stored(key)
      return entry?.kind === 'text' ? entry.text : undefined
    },
    scan: (prefix, cursor, count) => {
      const offset = offsetOf(cursor)
      const size = Math.max(1, count)
      const range = { start: prefix, end: `${prefix}\u{10ffff}`, offset, limit: size + 1 }
      const keys = asked(() => [...db.getKeys(range)].map(String)).filter((key) => key.startsWith(prefix))
      return { keys: keys.slice(0, size), next: keys.length > size ? String(offset + size) : '0' }
    },
    write: async (changes, guard) => {
      const tooLong = changes.find(({ key }) => key.length > longestKey)
      if (tooLong !== undefined)
        throw new RangeError(`a name of ${tooLong.key.length} characters is too long to be stored`)
      let failure: unknown
      try {
        const held = await db.transaction(() => {
          if (!guardHolds(guard, stored)) return false
          const after = new Map<string, Entry | undefined>()
          try {
            for (const change of changes) {
              const before = after.has(change.key) ? after.get(change.key) : stored(change.key)
              after.set(change.key, applyChange(before, change, now()))
            }
          } catch (error) {
            failure = error
            return false
          }
          let remembers = false
          for (const [key, entry] of after) {
            if (entry === undefined) db.removeSync(key)
            else db.putSync(key, entry)
            remembers ||= entry?.kind !== 'text'
          }
          // sessions and the like are never remembered, so they need not make everybody forget
          if (remembers) db.putSync(generationKey, ((db.get(generationKey) as number | undefined) ?? 0) + 1)
          return true
        })
        if (failure !== undefined) throw failure
        if (--writesUntilSweep === 0) {
          writesUntilSweep = sweepEvery
          await db.transaction(sweep)
        }
        await db.flushed
        return held
      } catch (error) {
        if (error === failure) throw error
        throw unavailable(error)
      }
    },
    onState: () => undefined,
    close: async () => {
      await db.close()
    },
  }
}

/** LMDB takes keys up to 1978 bytes; a character has up to three (a surrogate pair four). */
const longestKey = 600
const generationKey = '\u0001generation'
const sweepEvery = 4096

function openFolder(path: string) {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return open({ path, noSubdir: false, compression: false, cache: false, encoding: 'json', maxReaders: 256 })
  } catch (error) {
    throw unavailable(error)
  }
}

function asked<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw unavailable(error)
  }
}

function unavailable(error: unknown): StoreUnavailable {
  const cause = error instanceof Error ? (causeOf(error) ?? error) : new Error(String(error))
  const full = /ENOSPC|MDB_MAP_FULL|No space left|File too large|EFBIG/i.test(`${cause.message} ${cause.name}`)
  return new StoreUnavailable(
    full ? `the disk under the store is full: ${cause.message}` : `the store failed: ${cause.message}`,
    {
      cause: error,
    },
  )
}

/** LMDB's own words are on `commitError` where a commit of several writes failed. */
function causeOf(error: Error): Error | undefined {
  const inner = (error as Error & { commitError?: unknown }).commitError
  return inner instanceof Error ? inner : undefined
}

function freeze(entry: Entry): Entry {
  if (entry.kind === 'hash') Object.freeze(entry.fields)
  if (entry.kind === 'set') Object.freeze(entry.members)
  return entry
}
