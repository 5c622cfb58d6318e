/** A folder → the embedded store: LMDB, shared by all processes of the machine that open it. */
import { mkdirSync } from 'node:fs'
import { open } from 'lmdb'
import { StoreUnavailable } from '../policies/services.ts'
import { offsetOf } from './memory.ts'
import { applyChange, type Change, type Entry, type Guard, guardHolds, type Store } from './store.ts'

export interface LmdbOptions {
  /** A folder; made when missing, readable for its owner only. */
  readonly path: string
  readonly now?: () => number
  /** How many entries are remembered unpacked; default 20,000. */
  readonly remembered?: number
}

/**
 * Reads see what other processes have committed: unpacked entries are remembered only while the generation, a counter
 * that every write moves, stands where it stood at the beginning of this turn of the event loop (LMDB's own view is no
 * fresher than that). `write` resolves when the data is on the disk; what is asked for in one turn shares one commit.
 */
export function lmdbStore({ path, now = Date.now, remembered = 20_000 }: LmdbOptions): Store {
  const db = openFolder(path)
  let memory = new Map<string, Entry | undefined>()
  let generation: unknown
  let looked = false
  let writesUntilSweep = sweepEvery
  let waiting: Job[] = []
  const nextTurn = (): void => {
    looked = false
  }

  const stored = (key: string): Entry | undefined => {
    if (key.length > longestKey) return undefined
    const entry = asked(() => db.get(key) as Entry | undefined)
    if (entry?.kind === 'text' && entry.expiresAt !== 0 && entry.expiresAt <= now()) return undefined
    return entry === undefined ? undefined : freeze(entry)
  }
  const read = (key: string): Entry | undefined => {
    if (!looked) {
      looked = true
      setImmediate(nextTurn)
      const current = asked(() => db.get(generationKey) as unknown)
      if (current !== generation || memory.size >= remembered) {
        memory = new Map()
        generation = current
      }
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

  /** Nothing is put for a job whose guard does not hold or whose changes do not fit; the others go on. */
  const perform = ({ changes, guard }: Job): { readonly held: boolean } | { readonly error: unknown } => {
    try {
      const tooLong = changes.find(({ key }) => key.length > longestKey)
      if (tooLong !== undefined)
        throw new RangeError(`a name of ${tooLong.key.length} characters is too long to be stored`)
      if (!guardHolds(guard, stored)) return { held: false }
      const after = new Map<string, Entry | undefined>()
      for (const change of changes) {
        const before = after.has(change.key) ? after.get(change.key) : stored(change.key)
        after.set(change.key, applyChange(before, change, now()))
      }
      let remembers = false
      for (const [key, entry] of after) {
        if (entry === undefined) db.removeSync(key)
        else db.putSync(key, entry)
        remembers ||= entry?.kind !== 'text'
      }
      // sessions and the like are never remembered, so they need not make everybody forget
      if (remembers) db.putSync(generationKey, ((db.get(generationKey) as number | undefined) ?? 0) + 1)
      return { held: true }
    } catch (error) {
      return { error }
    }
  }
  const sweep = (): void => {
    writesUntilSweep = sweepEvery
    for (const { key, value } of db.getRange({ start: '' })) {
      const entry = value as Entry | number
      if (typeof entry !== 'object' || entry.kind !== 'text') continue
      if (entry.expiresAt !== 0 && entry.expiresAt <= now()) db.removeSync(key)
    }
  }
  const commit = (): void => {
    const jobs = waiting
    waiting = []
    if (jobs.length === 0) return
    try {
      const results = db.transactionSync(() => {
        writesUntilSweep -= jobs.length
        if (writesUntilSweep <= 0) sweep()
        return jobs.map(perform)
      })
      looked = false
      for (const [index, job] of jobs.entries()) {
        const result = results[index]
        if (result !== undefined && 'held' in result) job.resolve(result.held)
        else job.reject(result?.error)
      }
    } catch (error) {
      // not committed, so nothing of it has happened
      looked = false
      generation = undefined
      memory = new Map()
      for (const job of jobs) job.reject(unavailable(error))
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
    write: (changes, guard) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(commit)
        waiting.push({ changes, guard, resolve, reject })
      }),
    onState: () => undefined,
    close: async () => {
      commit()
      await db.close()
    },
  }
}

interface Job {
  readonly changes: readonly Change[]
  readonly guard: Guard | undefined
  resolve(held: boolean): void
  reject(error: unknown): void
}

/** LMDB takes keys up to 1978 bytes; a character has up to three (a surrogate pair four). */
const longestKey = 600
const generationKey = '\u0001generation'
const sweepEvery = 4096

function openFolder(path: string) {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return open({ path, noSubdir: false, encoding: 'json', overlappingSync: false, maxReaders: 256 })
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

/** A write that the disk took only in part comes as an input/output error: full disks often look so. */
function unavailable(error: unknown): StoreUnavailable {
  const text = error instanceof Error ? error.message : String(error)
  const full = /ENOSPC|MDB_MAP_FULL|No space left|File too large|Input\/output error/i.test(text)
  return new StoreUnavailable(`${full ? 'the disk under the store is full or broken' : 'the store failed'}: ${text}`, {
    cause: error,
  })
}

function freeze(entry: Entry): Entry {
  if (entry.kind === 'hash') Object.freeze(entry.fields)
  if (entry.kind === 'set') Object.freeze(entry.members)
  return entry
}
