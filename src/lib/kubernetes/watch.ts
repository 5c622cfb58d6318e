/**
 * A kind of object → what there is of it now, kept up to date by list and watch. Effect.
 *
 * One that did not change is the same object (by identity) in every list, over a relist too. While the server is away, or
 * says that the kind is not ours to read, the last list stays, and `state` says so.
 */
import type { KubernetesClient, KubernetesError } from './client.ts'
import { type KubernetesObject, reflect } from './reflect.ts'

export interface WatchedKind<Item> {
  /** `/api/v1/pods`. */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** What is kept of an object, as plain data that JSON can compare: the less, the fewer changes. Undefined: not ours. */
  keep(object: KubernetesObject): Item | undefined
}

/** `listing`: not yet known. `away`: the last list stands, and may be old. */
export type WatchState =
  | { readonly kind: 'listing' | 'current' }
  | { readonly kind: 'away'; readonly status: number; readonly message: string; readonly since: number }

export interface Watched<Item> {
  /** By namespace and name, in byte order. Undefined until it was listed once. */
  items(): readonly Item[] | undefined
  state(): WatchState
  stop(): void
}

export interface WatchTimes {
  /** Of the first pause after a failure, milliseconds; doubled up to `longest`, with jitter. Default 200 and 30,000. */
  readonly shortest?: number
  readonly longest?: number
  /** How long the server is asked to keep a watch, seconds. Default 290. */
  readonly watchSeconds?: number
}

/** `changed` is called once for each burst that arrives in one piece, and when the state changes. */
export function watchKind<Item>(
  client: KubernetesClient,
  kind: WatchedKind<Item>,
  changed: () => void,
  times: WatchTimes = {},
): Watched<Item> {
  const { shortest = 200, longest = 30_000, watchSeconds = 290 } = times
  const abort = new AbortController()
  let kept = new Map<string, Kept<Item>>()
  let listed = false
  let sorted: readonly Item[] | undefined
  let state: WatchState = { kind: 'listing' }
  let told = false

  const tell = (): void => {
    if (told) return
    told = true
    setImmediate(() => {
      told = false
      if (!abort.signal.aborted) changed()
    })
  }
  const away = ({ status, message }: KubernetesError): void => {
    state = { kind: 'away', status, message, since: state.kind === 'away' ? state.since : Date.now() }
    tell()
  }
  /** Does the list change by it? */
  const put = (into: Map<string, Kept<Item>>, object: KubernetesObject): boolean => {
    const key = keyOf(object)
    const before = kept.get(key)
    const item = kind.keep(object)
    if (item === undefined) return into.delete(key)
    const text = JSON.stringify(item)
    if (before !== undefined && before.text === text) {
      into.set(key, before)
      return false
    }
    into.set(key, { item, text })
    return true
  }
  const note = (changes: boolean): void => {
    if (!changes) return
    sorted = undefined
    tell()
  }

  void reflect(
    client,
    {
      path: kind.path,
      ...(kind.labelSelector === undefined ? {} : { labelSelector: kind.labelSelector }),
      ...(kind.fieldSelector === undefined ? {} : { fieldSelector: kind.fieldSelector }),
      firstPause: shortest,
      longestPause: longest,
      absentPause: longest,
      watchSeconds,
    },
    {
      replace: (objects) => {
        const next = new Map<string, Kept<Item>>()
        let changes = !listed
        for (const object of objects) if (put(next, object)) changes = true
        for (const key of kept.keys()) if (!next.has(key)) changes = true
        kept = next
        listed = true
        note(changes)
      },
      set: (object) => note(put(kept, object)),
      remove: (object) => note(kept.delete(keyOf(object))),
      absent: away,
      failed: away,
      current: () => {
        if (state.kind === 'current') return
        state = { kind: 'current' }
        tell()
      },
    },
    abort.signal,
  )

  return {
    items: () => {
      if (!listed) return undefined
      sorted ??= [...kept].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, one]) => one.item)
      return sorted
    },
    state: () => state,
    stop: () => abort.abort(),
  }
}

interface Kept<Item> {
  readonly item: Item
  readonly text: string
}

/** NUL sorts before every character of a name: `a` and its objects before `a-b`. */
function keyOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ''}\u0000${metadata.name}`
}
