/** The contract of the store behind consumers: hashes, sets and texts under string keys. Types and pure helpers only. */
import type { Soon } from '../policies/services.ts'

/**
 * What every driver (memory, LMDB, Redis) does in the same way; one contract test holds them to it. The three types of
 * value are Redis's own, so that an existing Redis of an Express Gateway is taken over in place.
 *
 * Reads answer at once where the data is in the process (memory, LMDB) and with a promise where it is not (Redis).
 * The same content read twice is the same object as long as nothing has changed it (mostly, with Redis): callers may
 * remember by identity.
 * A key of another type reads as absent. Everything may throw or reject with StoreUnavailable.
 */
export interface Store {
  readonly kind: 'memory' | 'lmdb' | 'redis'
  hash(key: string): Soon<Fields | undefined>
  hashes(keys: readonly string[]): Soon<readonly (Fields | undefined)[]>
  /** In no particular order; empty where there is none. */
  members(key: string): Soon<readonly string[]>
  text(key: string): Soon<string | undefined>
  /**
   * Keys that begin with `prefix`, page by page: start with cursor '0', go on with `next` until it is '0' again. A page
   * has about `count` keys and is empty only at the end. A cursor that no page gave: InvalidCursor.
   */
  scan(prefix: string, cursor: string, count: number): Soon<Page>
  /**
   * All of the changes or none, as one step for everybody else. False, and nothing changed, when the guard does not
   * hold. Resolved when it would survive a crash of this process.
   */
  write(changes: readonly Change[], guard?: Guard): Promise<boolean>
  /** `lost`, `back`, and `empty` when a store that held something has come back with nothing. */
  onState(listener: (state: StoreState) => void): void
  close(): Promise<void>
}

export type Fields = Readonly<Record<string, string>>
export type StoreState = 'lost' | 'back' | 'empty'

export interface Page {
  readonly keys: readonly string[]
  readonly next: string
}

export type Change =
  | { readonly kind: 'set-fields'; readonly key: string; readonly fields: Fields }
  | { readonly kind: 'delete-fields'; readonly key: string; readonly fields: readonly string[] }
  | { readonly kind: 'add-members'; readonly key: string; readonly members: readonly string[] }
  | { readonly kind: 'remove-members'; readonly key: string; readonly members: readonly string[] }
  /** `ttlMs` 0: for ever. */
  | { readonly kind: 'set-text'; readonly key: string; readonly text: string; readonly ttlMs: number }
  | { readonly kind: 'delete'; readonly key: string }

/** What must hold at the moment of the write. */
export interface Guard {
  readonly absent?: readonly string[]
  readonly present?: readonly string[]
  /** These sets have exactly these members. */
  readonly members?: readonly { readonly key: string; readonly members: readonly string[] }[]
  /** These fields have exactly these values (undefined: there is none). */
  readonly fields?: readonly { readonly key: string; readonly field: string; readonly value: string | undefined }[]
}

export class InvalidCursor extends Error {
  constructor() {
    super('ERR invalid cursor')
    this.name = 'InvalidCursor'
  }
}

/** Goes on at once where the value is there, later where it is a promise. */
export function whenReady<A, B>(value: Soon<A>, use: (value: A) => Soon<B>): Soon<B> {
  return value instanceof Promise ? value.then(use) : use(value)
}

// --- entries of the embedded drivers ---------------------------------------------------------------------------------

/** One key in memory or LMDB. Never changed, always replaced. */
export type Entry =
  | { readonly kind: 'hash'; readonly fields: Fields }
  | { readonly kind: 'set'; readonly members: readonly string[] }
  /** `expiresAt` in milliseconds since the epoch; 0: never. */
  | { readonly kind: 'text'; readonly text: string; readonly expiresAt: number }

/** Entry and change → the entry after it; undefined: the key is gone. An empty hash or set is no key, as in Redis. */
export function applyChange(entry: Entry | undefined, change: Change, now: number): Entry | undefined {
  switch (change.kind) {
    case 'delete':
      return undefined
    case 'set-text':
      return { kind: 'text', text: change.text, expiresAt: change.ttlMs > 0 ? now + change.ttlMs : 0 }
    case 'set-fields': {
      const before = ofKind(entry, 'hash', change.key)?.fields
      const fields = Object.freeze({ ...before, ...change.fields })
      return Object.keys(fields).length === 0 ? undefined : { kind: 'hash', fields }
    }
    case 'delete-fields': {
      const before = ofKind(entry, 'hash', change.key)?.fields ?? {}
      const kept = Object.entries(before).filter(([name]) => !change.fields.includes(name))
      return kept.length === 0 ? undefined : { kind: 'hash', fields: Object.freeze(Object.fromEntries(kept)) }
    }
    case 'add-members': {
      const members = new Set([...(ofKind(entry, 'set', change.key)?.members ?? []), ...change.members])
      return members.size === 0 ? undefined : { kind: 'set', members: Object.freeze([...members]) }
    }
    case 'remove-members': {
      const before = ofKind(entry, 'set', change.key)?.members ?? []
      const members = before.filter((member) => !change.members.includes(member))
      return members.length === 0 ? undefined : { kind: 'set', members: Object.freeze(members) }
    }
  }
}

/** Does the guard hold over what `read` gives? */
export function guardHolds(guard: Guard | undefined, read: (key: string) => Entry | undefined): boolean {
  if (guard === undefined) return true
  if (guard.absent?.some((key) => read(key) !== undefined) === true) return false
  if (guard.present?.some((key) => read(key) === undefined) === true) return false
  for (const { key, members } of guard.members ?? []) {
    const entry = read(key)
    const now = entry?.kind === 'set' ? entry.members : []
    if (now.length !== members.length || !members.every((member) => now.includes(member))) return false
  }
  for (const { key, field, value } of guard.fields ?? []) {
    const entry = read(key)
    if ((entry?.kind === 'hash' ? fieldOf(entry.fields, field) : undefined) !== value) return false
  }
  return true
}

/** A field of one's own, never one of Object's. */
function fieldOf(fields: Fields, name: string): string | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined
}

function ofKind<Kind extends Entry['kind']>(
  entry: Entry | undefined,
  kind: Kind,
  key: string,
): Extract<Entry, { kind: Kind }> | undefined {
  if (entry === undefined) return undefined
  if (entry.kind !== kind) throw new TypeError(`${key} holds a ${entry.kind}, not a ${kind}`)
  return entry as Extract<Entry, { kind: Kind }>
}
