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

/** How a list came out of another: runs of its members, which stay the same objects, and new ones, in order. */
export type Edit = { readonly from: number; readonly count: number } | { readonly insert: readonly unknown[] }

export type Delta = Readonly<Partial<Record<(typeof lists)[number], readonly Edit[]>>>

/** What turns one model into the other; members are told apart by identity. Linear in the lists that changed. */
export function difference(before: Model, after: Model): Delta {
  const delta: Partial<Record<(typeof lists)[number], readonly Edit[]>> = {}
  for (const name of lists) {
    const edits = editsOf(before[name], after[name])
    if (edits !== undefined) delta[name] = edits
  }
  return delta
}

/** Throws a RangeError for a delta of another model. */
export function applyDelta(model: Model, delta: Delta): Model {
  const next: Record<string, unknown> = { ...model }
  for (const name of lists) {
    const edits = delta[name]
    if (edits === undefined) continue
    const list = model[name]
    const result: unknown[] = []
    for (const edit of edits) {
      if ('insert' in edit) {
        for (const member of edit.insert) result.push(member)
        continue
      }
      const end = edit.from + edit.count
      if (end > list.length) throw new RangeError(`the delta of ${name} does not fit this model`)
      for (let index = edit.from; index < end; index += 1) result.push(list[index])
    }
    next[name] = result
  }
  return next as unknown as Model
}

function editsOf(before: readonly unknown[], after: readonly unknown[]): readonly Edit[] | undefined {
  if (before === after) return undefined
  const shorter = Math.min(before.length, after.length)
  let same = 0
  while (same < shorter && before[same] === after[same]) same += 1
  if (same === before.length && same === after.length) return undefined
  // most changes are of a few members: what stands before and behind them need not be looked up
  let behind = 0
  while (behind < shorter - same && before[before.length - 1 - behind] === after[after.length - 1 - behind]) behind += 1
  const places = new Map<unknown, number>()
  for (let index = same; index < before.length - behind; index += 1) places.set(before[index], index)

  const edits: Edit[] = []
  let run = { from: 0, count: same }
  let fresh: unknown[] = []
  const endRun = (): void => {
    if (run.count > 0) edits.push(run)
    run = { from: 0, count: 0 }
  }
  const endFresh = (): void => {
    if (fresh.length > 0) edits.push({ insert: fresh })
    fresh = []
  }
  const keep = (from: number, count: number): void => {
    if (count === 0) return
    endFresh()
    if (run.count > 0 && run.from + run.count === from) run = { from: run.from, count: run.count + count }
    else {
      endRun()
      run = { from, count }
    }
  }
  for (let index = same; index < after.length - behind; index += 1) {
    const place = places.get(after[index])
    if (place !== undefined) keep(place, 1)
    else {
      endRun()
      fresh.push(after[index])
    }
  }
  keep(before.length - behind, behind)
  endRun()
  endFresh()
  return edits
}
