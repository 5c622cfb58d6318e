/**
 * Model → text for another process of ours, and back. Pure. Secrets are in it: it goes over channels of our own and into
 * files that only we can read, never to a person.
 */
import type { Model } from './model.ts'
import { Secret } from './secret.ts'

/** Marks a secret in the text; no object of the model has such a key. */
const MARK = '$secret'

export function encode(value: unknown): string {
  return JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key, shown: unknown) {
    const original = this[key]
    return original instanceof Secret ? { [MARK]: original.reveal() } : shown
  })
}

/** Throws a SyntaxError for what is no JSON. */
export function decode(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || !(MARK in value)) return value
    const secret = (value as Readonly<Record<string, unknown>>)[MARK]
    return typeof secret === 'string' ? new Secret(secret) : value
  })
}

const lists = [
  'listeners',
  'routes',
  'streams',
  'backends',
  'endpoints',
  'certificates',
  'consumers',
  'credentials',
] as const satisfies readonly (keyof Model)[]

/** Where a list was cut and what stands there now; the members before and behind are the same objects. */
export interface Splice {
  readonly at: number
  readonly remove: number
  readonly insert: readonly unknown[]
}

export type Delta = Readonly<Partial<Record<(typeof lists)[number], Splice>>>

/** What turns one model into the other: for each list one cut, found by identity. Linear in what has changed places. */
export function difference(before: Model, after: Model): Delta {
  const delta: Partial<Record<(typeof lists)[number], Splice>> = {}
  for (const name of lists) {
    const splice = spliceOf(before[name], after[name])
    if (splice !== undefined) delta[name] = splice
  }
  return delta
}

/** Throws a RangeError for a delta of another model. */
export function applyDelta(model: Model, delta: Delta): Model {
  const next: Record<string, unknown> = { ...model }
  for (const name of lists) {
    const splice = delta[name]
    if (splice === undefined) continue
    const list = model[name]
    if (splice.at + splice.remove > list.length) throw new RangeError(`the delta of ${name} does not fit this model`)
    next[name] = [...list.slice(0, splice.at), ...splice.insert, ...list.slice(splice.at + splice.remove)]
  }
  return next as unknown as Model
}

function spliceOf(before: readonly unknown[], after: readonly unknown[]): Splice | undefined {
  if (before === after) return undefined
  const shorter = Math.min(before.length, after.length)
  let at = 0
  while (at < shorter && before[at] === after[at]) at += 1
  if (at === before.length && at === after.length) return undefined
  let behind = 0
  while (behind < shorter - at && before[before.length - 1 - behind] === after[after.length - 1 - behind]) behind += 1
  return { at, remove: before.length - at - behind, insert: after.slice(at, after.length - behind) }
}
